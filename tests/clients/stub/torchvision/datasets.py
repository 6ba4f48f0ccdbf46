"""Names only: nothing is classified here."""


class ImageFolder:
    pass

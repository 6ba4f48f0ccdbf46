"""Names only: nothing is classified here."""


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

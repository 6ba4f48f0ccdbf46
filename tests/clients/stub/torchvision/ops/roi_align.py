"""Names only: models that need them are not trained here."""


class RoIAlign:
    def __init__(self, *arguments, **options):
        raise NotImplementedError("the stand-in for torchvision has no RoIAlign")


def roi_align(*arguments, **options):
    raise NotImplementedError("the stand-in for torchvision has no roi_align")

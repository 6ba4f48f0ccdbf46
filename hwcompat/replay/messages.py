"""What exceptions say about a cause."""

FAILURES = (
    "unspecified launch failure",
    "illegal instruction",
    "illegal memory access",
    "misaligned address",
    "hardware stack error",
    "STATUS_EXECUTION_FAILED",
)
"""Parts of messages with which a driver or its libraries end a kernel. Of wrong code the same step gives them again."""

# (part of the message, cause, the change to make)
ERRORS = (
    (
        "Expected more than 1 spatial element",
        "batch-statistics",
        "use LayerNorm or GroupNorm where the image is down to one pixel",
    ),
    (
        "cannot be converted to type c10::Half without overflow",
        "fp16-overflow",
        "fill with torch.finfo(tensor.dtype).min, or compute this in float32: float16 ends at 65504",
    ),
    (
        "cannot be converted to type at::Half without overflow",
        "fp16-overflow",
        "fill with torch.finfo(tensor.dtype).min, or compute this in float32: float16 ends at 65504",
    ),
    ("is singular", "division-by-zero", "add a small multiple of the identity before inverting"),
    ("not positive-definite", "division-by-zero", "add a small multiple of the identity before factorising"),
    (
        "Expected more than 1 value per channel",
        "batch-statistics",
        "drop_last=True in the DataLoader, or GroupNorm instead of BatchNorm",
    ),
    ("out of bounds", "bad-labels", "labels must lie in 0 .. classes - 1: repair them, or raise the number of classes"),
    ("out of range in self", "bad-data", "indices must be smaller than the number of embeddings"),
    ("class values must be", "bad-labels", "labels must lie in 0 .. classes - 1"),
    ("all elements of target should be between 0 and 1", "bad-labels", "targets of this loss are probabilities"),
    ("expected target dtype to be Long", "bad-labels", "class labels must be integers: labels.long()"),
    ("expected scalar type Long", "bad-labels", "class labels must be integers: labels.long()"),
    ("expected floating point type for target", "bad-labels", "targets of this loss are floating point"),
    (
        "to be within the support",
        "bad-labels",
        "this likelihood is not meant for such values: counts must be whole and not negative, shares within 0 and 1",
    ),
    ("uncorrectable ECC error", "hardware", "the card's memory is defective: have it tested and replaced"),
    ("no kernel image is available", "library", "install a torch build that holds kernels for this card"),
    ("unscale_() has already been called", "scaler-misuse", "call scaler.unscale_(optimizer) once a step"),
    ("unscale_() is being called after step()", "scaler-misuse", "call scaler.unscale_(optimizer) before step()"),
    ("step() has already been called since the last update()", "scaler-misuse", "call scaler.update() after each step"),
    (
        "Attempting to unscale FP16 gradients",
        "scaler-misuse",
        "keep the weights in float32 and use autocast: a GradScaler is not meant for half weights",
    ),
    (
        "No inf checks were recorded",
        "scaler-misuse",
        "the scaled loss must reach the weights of this optimizer before scaler.step()",
    ),
    (
        "Attempted step but _scale is None",
        "scaler-misuse",
        "scaler.scale(loss).backward(), then scaler.step(optimizer)",
    ),
    ("Attempted update but _scale is None", "scaler-misuse", "scaler.scale(loss).backward() before scaler.update()"),
    (
        "Attempted unscale_ but _scale is None",
        "scaler-misuse",
        "scaler.scale(loss).backward() before scaler.unscale_()",
    ),
)

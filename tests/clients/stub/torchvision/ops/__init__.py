"""Non-maximum suppression in plain torch."""

import torch

from .roi_align import RoIAlign, roi_align

__all__ = ["RoIAlign", "nms", "roi_align"]


def nms(boxes, scores, iou_threshold):
    """Indices of the boxes kept, best score first. boxes: N x 4 (x1 y1 x2 y2), scores: N."""
    order = scores.argsort(descending=True)
    kept = []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[_overlap(boxes[best], boxes[order]) <= iou_threshold]
    return torch.stack(kept) if kept else order


def _overlap(box, boxes):
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return shared / (areas - shared).clamp(min=torch.finfo(boxes.dtype).tiny)

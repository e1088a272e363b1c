import json

import numpy as np
from scipy import ndimage

with open("labels.json") as file:
    labels = json.load(file)


def predict(body):
    image = np.array(body["image"], dtype=float)
    detections = detect(image, body.get("threshold", labels["threshold"]))
    return {"objects": len(detections), "detections": detections}


def detect(image, threshold):
    marked, _ = ndimage.label(image > threshold)
    return [describe(image[place], place) for place in ndimage.find_objects(marked)]


def describe(pixels, place):
    rows, columns = place
    return {
        "box": {"yMin": rows.start, "xMin": columns.start, "yMax": rows.stop, "xMax": columns.stop},
        "label": "large" if pixels.size >= labels["large"] else "small",
        "score": pixels.max() / labels["white"],
    }

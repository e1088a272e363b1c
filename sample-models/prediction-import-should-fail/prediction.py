import joblib

model = joblib.load("models/detector.joblib")


def predict(body):
    return {"label": model.predict([body["values"]])[0]}

def predict(body):
    return body

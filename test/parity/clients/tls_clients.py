"""tls_clients.py REST GRPC CA CERTIFICATE KEY: tritonclient over TLS with a client certificate, and without one, against a server that serves `digits` and
verifies clients. Prints what each client got as JSON.
"""
import json
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http

rest, rpc, ca, certificate, key = sys.argv[1:]


def shape_of_logits(module, client):
    image = module.InferInput("image", [2, 1, 28, 28], "FP32")
    image.set_data_from_numpy(np.zeros((2, 1, 28, 28), np.float32))
    return list(client.infer("digits.logits", [image]).as_numpy("logits").shape)


def refusal(module, client):
    try:
        return shape_of_logits(module, client)
    except Exception as error:
        return type(error).__name__


def rest_client(**pair):
    return http.InferenceServerClient(rest, ssl=True, ssl_options={"ca_certs": ca, **pair})


print(json.dumps({
    "http": shape_of_logits(http, rest_client(certfile=certificate, keyfile=key)),
    "grpc": shape_of_logits(grpc, grpc.InferenceServerClient(rpc, ssl=True, root_certificates=ca, certificate_chain=certificate, private_key=key)),
    "http without": refusal(http, rest_client()),
    "grpc without": refusal(grpc, grpc.InferenceServerClient(rpc, ssl=True, root_certificates=ca)),
}))

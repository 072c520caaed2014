import time

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Sleeper(MLModel):
    """Takes 10 ms of its worker process, as the function in servers.mjs takes them of its thread, and gives back what it got."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        time.sleep(0.01)
        x = payload.inputs[0]
        return InferenceResponse(model_name=self.name, outputs=[ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data)])

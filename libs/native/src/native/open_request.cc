#include "open_request.h"

namespace mserve {

namespace {

uint8_t* bytesOf(Napi::Value value, size_t& byteLength) {
  void* bytes = nullptr;
  byteLength = 0;
  napi_get_typedarray_info(value.Env(), value, nullptr, &byteLength, &bytes, nullptr, nullptr);  // always a Uint8Array
  return static_cast<uint8_t*>(bytes);
}

int intOf(Napi::Object object, const char* key) { return object.Get(key).As<Napi::Number>().Int32Value(); }

std::string stringOf(Napi::Object object, const char* key) { return object.Get(key).As<Napi::String>().Utf8Value(); }

Initializer readInitializer(Napi::Object object) {
  Initializer initializer;
  initializer.name = stringOf(object, "name");
  initializer.type = static_cast<ElementType>(intOf(object, "type"));
  Napi::Array shape = object.Get("shape").As<Napi::Array>();
  for (uint32_t axis = 0; axis < shape.Length(); axis++) {
    initializer.dims.push_back(shape.Get(axis).As<Napi::Number>().Int64Value());
  }
  initializer.bytes = bytesOf(object.Get("bytes"), initializer.byteLength);
  return initializer;
}

}  // namespace

OpenRequest readOpenRequest(Napi::Object object) {
  OpenRequest request;
  request.libraryPath = stringOf(object, "libraryPath");
  const Napi::Value model = object.Get("model");
  if (model.IsString()) {
    request.modelPath = model.As<Napi::String>().Utf8Value();
  } else {
    request.modelBytes = bytesOf(model, request.modelLength);
  }
  request.intraOpThreads = intOf(object, "intraOpThreads");
  request.interOpThreads = intOf(object, "interOpThreads");
  request.concurrentRuns = intOf(object, "concurrentRuns");
  request.graphOptimization = intOf(object, "graphOptimization");
  request.externalFolder = stringOf(object, "externalFolder");
  Napi::Array initializers = object.Get("initializers").As<Napi::Array>();
  for (uint32_t i = 0; i < initializers.Length(); i++) {
    request.initializers.push_back(readInitializer(initializers.Get(i).As<Napi::Object>()));
  }
  return request;
}

}  // namespace mserve

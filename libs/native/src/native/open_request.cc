#include "open_request.h"

namespace mserve {

namespace {

/** Reads properties until one fails. By plain N-API: its C++ wrapper ends the process where a read fails. */
class Reader {
 public:
  explicit Reader(napi_env env) : env_(env) {}
  bool ok() const { return ok_; }

  napi_value property(napi_value object, const char* key) {
    napi_value value = nullptr;
    take(ok_ ? napi_get_named_property(env_, object, key, &value) : napi_generic_failure);
    return value;
  }

  napi_value element(napi_value array, uint32_t index) {
    napi_value value = nullptr;
    take(ok_ ? napi_get_element(env_, array, index, &value) : napi_generic_failure);
    return value;
  }

  uint32_t length(napi_value array) {
    uint32_t count = 0;
    take(ok_ ? napi_get_array_length(env_, array, &count) : napi_generic_failure);
    return count;
  }

  int64_t integer(napi_value value) {
    int64_t number = 0;
    take(ok_ ? napi_get_value_int64(env_, value, &number) : napi_generic_failure);
    return number;
  }

  std::string string(napi_value value) {
    size_t length = 0;
    take(ok_ ? napi_get_value_string_utf8(env_, value, nullptr, 0, &length) : napi_generic_failure);
    std::string text(length, '\0');
    take(ok_ ? napi_get_value_string_utf8(env_, value, text.data(), length + 1, &length) : napi_generic_failure);
    return text;
  }

  bool isString(napi_value value) {
    napi_valuetype type = napi_undefined;
    take(ok_ ? napi_typeof(env_, value, &type) : napi_generic_failure);
    return type == napi_string;
  }

  uint8_t* bytes(napi_value value, size_t& byteLength) {
    void* start = nullptr;
    take(ok_ ? napi_get_typedarray_info(env_, value, nullptr, &byteLength, &start, nullptr, nullptr) : napi_generic_failure);
    return static_cast<uint8_t*>(start);
  }

 private:
  void take(napi_status status) { ok_ = ok_ && status == napi_ok; }

  napi_env env_;
  bool ok_ = true;
};

DeviceRequest readDevice(Reader& reader, napi_value object) {
  DeviceRequest device;
  device.backend = reader.string(reader.property(object, "backend"));
  device.provider = reader.string(reader.property(object, "provider"));
  device.id = static_cast<int>(reader.integer(reader.property(object, "id")));
  napi_value options = reader.property(object, "options");
  const uint32_t count = reader.length(options);
  for (uint32_t i = 0; i < count && reader.ok(); i++) {
    napi_value option = reader.element(options, i);
    std::string key = reader.string(reader.element(option, 0));
    device.options.emplace_back(std::move(key), reader.string(reader.element(option, 1)));
  }
  return device;
}

std::vector<std::string> readTexts(Reader& reader, napi_value array) {
  std::vector<std::string> texts;
  const uint32_t count = reader.length(array);
  for (uint32_t i = 0; i < count && reader.ok(); i++) texts.push_back(reader.string(reader.element(array, i)));
  return texts;
}

SeatRequest readSeats(Reader& reader, napi_value object) {
  SeatRequest seats;
  seats.concurrentRuns = static_cast<int>(reader.integer(reader.property(object, "concurrentRuns")));
  seats.inlineBelowNs = reader.integer(reader.property(object, "inlineBelowUs")) * 1000;
  seats.inlineAloneBelowNs = reader.integer(reader.property(object, "inlineAloneBelowUs")) * 1000;
  napi_value cores = reader.property(object, "coreIds");
  const uint32_t count = reader.length(cores);
  for (uint32_t i = 0; i < count && reader.ok(); i++) seats.coreIds.push_back(static_cast<int>(reader.integer(reader.element(cores, i))));
  return seats;
}

Initializer readInitializer(Reader& reader, napi_value object) {
  Initializer initializer;
  initializer.name = reader.string(reader.property(object, "name"));
  initializer.type = static_cast<ElementType>(reader.integer(reader.property(object, "type")));
  napi_value shape = reader.property(object, "shape");
  const uint32_t rank = reader.length(shape);
  for (uint32_t axis = 0; axis < rank; axis++) initializer.dims.push_back(reader.integer(reader.element(shape, axis)));
  initializer.bytes = reader.bytes(reader.property(object, "bytes"), initializer.byteLength);
  return initializer;
}

}  // namespace

bool readOpenRequest(napi_env env, napi_value object, OpenRequest& request) {
  Reader reader(env);
  request.device = readDevice(reader, reader.property(object, "device"));
  request.seats = readSeats(reader, object);
  request.libraryPath = reader.string(reader.property(object, "libraryPath"));
  napi_value model = reader.property(object, "model");
  if (reader.isString(model)) {
    request.modelPath = reader.string(model);
  } else {
    request.modelBytes = reader.bytes(model, request.modelLength);
  }
  request.intraOpThreads = static_cast<int>(reader.integer(reader.property(object, "intraOpThreads")));
  request.interOpThreads = static_cast<int>(reader.integer(reader.property(object, "interOpThreads")));
  request.sharedBy = static_cast<int>(reader.integer(reader.property(object, "sharedBy")));
  request.graphOptimization = static_cast<int>(reader.integer(reader.property(object, "graphOptimization")));
  request.disabledOptimizers = reader.string(reader.property(object, "disabledOptimizers"));
  request.operatorLibraries = readTexts(reader, reader.property(object, "operatorLibraries"));
  request.refuseLinks = reader.integer(reader.property(object, "refuseLinks")) != 0;
  request.linkRoots = readTexts(reader, reader.property(object, "linkRoots"));
  request.externalFolder = reader.string(reader.property(object, "externalFolder"));
  napi_value initializers = reader.property(object, "initializers");
  const uint32_t count = reader.length(initializers);
  for (uint32_t i = 0; i < count && reader.ok(); i++) {
    request.initializers.push_back(readInitializer(reader, reader.element(initializers, i)));
  }
  return reader.ok();
}

}  // namespace mserve

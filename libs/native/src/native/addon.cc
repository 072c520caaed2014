#include <napi.h>

#include <memory>
#include <vector>

#include "backend_registry.h"
#include "connection.h"
#include "native_rank.h"
#include "native_rings.h"
#include "native_session.h"
#include "native_slab.h"
#include "traps/crash_note.h"

namespace mserve {

/** Lives as long as the JavaScript environment. */
struct Environment {
  std::vector<std::unique_ptr<Connection>> connections;
};

/** connect(onSettled, onOpened, onClosed, words, bytes): where sessions made with the returned connection report to. */
static Napi::Value connect(const Napi::CallbackInfo& call) {
  auto connection = std::make_unique<Connection>(call.Env());
  if (!connection->start(call)) return call.Env().Undefined();
  auto& connections = call.Env().GetInstanceData<Environment>()->connections;
  connections.push_back(std::move(connection));
  return Napi::External<Connection>::New(call.Env(), connections.back().get());
}

/** inbox(connection, words, bytes): a larger place for settlements. */
static Napi::Value inbox(const Napi::CallbackInfo& call) {
  call[0].As<Napi::External<Connection>>().Data()->useInbox(call[1].As<Napi::TypedArray>(), call[2].As<Napi::TypedArray>());
  return call.Env().Undefined();
}

/** end(connection): before the process exits; see Connection::end. */
static Napi::Value end(const Napi::CallbackInfo& call) {
  call[0].As<Napi::External<Connection>>().Data()->end();
  return call.Env().Undefined();
}

/** noteCrash(thread, note): what stderr is told when a fault of this thread ends the process. */
static Napi::Value noteCrashOf(const Napi::CallbackInfo& call) {
  noteCrash(call[0].As<Napi::Number>().Int64Value(), call[1].As<Napi::String>().Utf8Value());
  return call.Env().Undefined();
}

/** arena(): what runs allocate in this process; undefined where nothing tells. */
static Napi::Value arena(const Napi::CallbackInfo& call) {
  ArenaUse use;
  for (Backend* backend : backends()) backend->addArena(use);
  if (!use.isKnown) return call.Env().Undefined();
  auto result = Napi::Object::New(call.Env());
  result["inUseBytes"] = Napi::Number::New(call.Env(), use.inUse);
  result["allocatedBytes"] = Napi::Number::New(call.Env(), use.allocated);
  result["peakBytes"] = Napi::Number::New(call.Env(), use.peak);
  return result;
}

/** examine(backend, provider, libraryPath, driverOnly): what this machine has of a provider; blocks. */
static Napi::Value examine(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  DeviceRequest device;
  device.backend = call[0].As<Napi::String>().Utf8Value();
  device.provider = call[1].As<Napi::String>().Utf8Value();
  ProviderReport report;
  Failure failure;
  if (Backend* backend = findBackend(device, failure)) {
    backend->examine(device.provider, call[2].As<Napi::String>().Utf8Value(), call[3].As<Napi::Boolean>().Value(), report);
  }
  if (failure) report.problems.push_back(failure.message);
  auto devices = Napi::Array::New(env, report.devices.size());
  for (uint32_t i = 0; i < report.devices.size(); i++) {
    auto one = Napi::Object::New(env);
    one["id"] = Napi::Number::New(env, report.devices[i].id);
    one["name"] = Napi::String::New(env, report.devices[i].name);
    one["memoryBytes"] = Napi::Number::New(env, static_cast<double>(report.devices[i].memoryBytes));
    devices[i] = one;
  }
  auto problems = Napi::Array::New(env, report.problems.size());
  for (uint32_t i = 0; i < report.problems.size(); i++) problems[i] = Napi::String::New(env, report.problems[i]);
  auto result = Napi::Object::New(env);
  result["driver"] = Napi::String::New(env, report.driver);
  result["runtime"] = Napi::String::New(env, report.runtime);
  result["devices"] = devices;
  result["problems"] = problems;
  return result;
}

}  // namespace mserve

/** Called once per environment: the main thread and every worker thread that loads the addon. */
static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new mserve::Environment());
  exports["connect"] = Napi::Function::New(env, mserve::connect);
  exports["inbox"] = Napi::Function::New(env, mserve::inbox);
  exports["examine"] = Napi::Function::New(env, mserve::examine);
  exports["arena"] = Napi::Function::New(env, mserve::arena);
  exports["noteCrash"] = Napi::Function::New(env, mserve::noteCrashOf);
  exports["end"] = Napi::Function::New(env, mserve::end);
  exports["NativeRank"] = mserve::NativeRank::define(env);
  exports["NativeRings"] = mserve::NativeRings::define(env);
  exports["NativeSession"] = mserve::NativeSession::define(env);
  exports["giveBack"] = Napi::Function::New(env, mserve::giveBack);
  exports["NativeSlab"] = mserve::NativeSlab::define(env);
  exports["NativeSlabReader"] = mserve::NativeSlabReader::define(env);
  return exports;
}

NODE_API_MODULE(mserve_native, initialize)

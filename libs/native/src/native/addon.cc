#include <napi.h>

#include <memory>
#include <vector>

#include "connection.h"
#include "native_session.h"

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

}  // namespace mserve

/** Called once per environment: the main thread and every worker thread that loads the addon. */
static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new mserve::Environment());
  exports["connect"] = Napi::Function::New(env, mserve::connect);
  exports["inbox"] = Napi::Function::New(env, mserve::inbox);
  exports["end"] = Napi::Function::New(env, mserve::end);
  exports["NativeSession"] = mserve::NativeSession::define(env);
  return exports;
}

NODE_API_MODULE(mserve_native, initialize)

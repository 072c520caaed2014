#include <napi.h>

#include "environment.h"
#include "native_session.h"

namespace mserve {

/** Called once per environment: the main thread and every worker thread that loads the addon. */
Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  exports["start"] = Napi::Function::New(env, [](const Napi::CallbackInfo& call) { return Environment::of(call.Env()).start(call); });
  exports["inbox"] = Napi::Function::New(env, [](const Napi::CallbackInfo& call) { return Environment::of(call.Env()).inbox(call); });
  exports["NativeSession"] = NativeSession::define(env);
  return exports;
}

}  // namespace mserve

static Napi::Object init(Napi::Env env, Napi::Object exports) { return mserve::initialize(env, exports); }

NODE_API_MODULE(mserve_native, init)

#pragma once

#include <napi.h>

#include "connection.h"

namespace mserve {

/**
 * The JavaScript face of a SessionCore, private to session.ts and native-link.ts, which check every argument before they call.
 *   new NativeSession(connection, number, request, source)  begins to load, or to use the model of the open session `source`
 *                                     where that is not undefined; onOpened(number, ...) follows
 *   describe()                        {inputs, outputs}
 *   outbox(words)                     where submit finds the numbers: see words.h
 *   submit(...bytes)                  one typed array per input; onSettled follows
 *   cancel(slot), close()             onClosed follows the last run
 */
class NativeSession : public Napi::ObjectWrap<NativeSession> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeSession(const Napi::CallbackInfo& call);
  ~NativeSession() override;

  /** The loaded model, for a rank to run. */
  std::shared_ptr<BackendSession> model() const { return core_->model(); }

 private:
  Napi::Value describe(const Napi::CallbackInfo& call);
  Napi::Value outbox(const Napi::CallbackInfo& call);
  Napi::Value submit(const Napi::CallbackInfo& call);
  Napi::Value cancel(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);
  bool addInput(Napi::Env env, Run& run, size_t index, napi_value view, const double*& word);

  Connection& connection_;
  std::shared_ptr<SessionCore> core_;
  bool closed_ = false;
  Napi::Reference<Napi::TypedArray> outboxReference_;
  const double* outbox_ = nullptr;
  size_t outboxLength_ = 0;
};

}  // namespace mserve

#pragma once

#include <napi.h>

#include <memory>

#include "connection.h"

namespace mserve {

/**
 * The JavaScript face of a RankCore, private to rank.ts, which checks every argument before it calls. What is asked for under a slot of the table of native-link.ts
 * is settled like a session's run. The layouts of the numbers are in words.h.
 *   new NativeRank(connection, rank, address, port, program, sessions, constants, ncclDevice, ncclPath, cudaPath)   throws an Error with failureKind where it cannot
 *                     listen, or use NCCL; ncclDevice undefined: without it
 *   port()
 *   form(slot, words, addresses, proofs)   proofs: 32 bytes for each rank to be shown to it, then 32 for each that it is expected to show
 *   run(words, ...inputs)                  one typed array per input
 *   expire(slot), abort(reason), close(slot)
 */
class NativeRank : public Napi::ObjectWrap<NativeRank> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeRank(const Napi::CallbackInfo& call);
  ~NativeRank() override;

 private:
  Napi::Value port(const Napi::CallbackInfo& call);
  Napi::Value form(const Napi::CallbackInfo& call);
  Napi::Value run(const Napi::CallbackInfo& call);
  Napi::Value expire(const Napi::CallbackInfo& call);
  Napi::Value abort(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);
  std::unique_ptr<Run> takeRun(uint32_t slot);
  bool isUsable() const { return core_ != nullptr && !closed_ && !connection_.hasEnded(); }
  bool open(const Napi::CallbackInfo& call, Failure& failure);
  bool readProgram(const Napi::CallbackInfo& call, rank::Program& program);

  Connection& connection_;
  std::shared_ptr<rank::RankCore> core_;
  uint32_t rank_ = 0;
  bool closed_ = false;
};

}  // namespace mserve

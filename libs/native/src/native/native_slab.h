#pragma once

#include <napi.h>

#include <memory>

#include "slab/slab_owner.h"
#include "slab/slab_reader.h"

namespace mserve {

/**
 * The JavaScript face of a SlabOwner, private to shared-memory.ts, which checks every argument before it calls.
 *   new NativeSlab(slab, token, bytes)   throws an Error that says why there is none
 *   place(length, words)                 the buffer, and slot and generation in `words`; undefined: no room
 *   free(slot, generation, buffer)       the buffer is detached
 *   used()
 *   close()
 */
class NativeSlab : public Napi::ObjectWrap<NativeSlab> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeSlab(const Napi::CallbackInfo& call);

 private:
  Napi::Value place(const Napi::CallbackInfo& call);
  Napi::Value free(const Napi::CallbackInfo& call);
  Napi::Value used(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);

  std::shared_ptr<slab::SlabOwner> owner_;
};

/** giveBack(buffer): a buffer of NativeSlabReader::read is read no more; it is detached. */
Napi::Value giveBack(const Napi::CallbackInfo& call);

/**
 * The JavaScript face of a SlabReader, private to shared-memory.ts.
 *   new NativeSlabReader()
 *   open(slab, token, timeoutMs, done)        done(isOpen)
 *   read(slot, generation, offset, length)    a buffer that stays as it is until it is given back or collected; undefined: not to be had. Writing to it ends the process
 *   isGone()                                  the owner is
 */
class NativeSlabReader : public Napi::ObjectWrap<NativeSlabReader> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeSlabReader(const Napi::CallbackInfo& call) : Napi::ObjectWrap<NativeSlabReader>(call) {}

 private:
  class Opening;

  Napi::Value open(const Napi::CallbackInfo& call);
  Napi::Value read(const Napi::CallbackInfo& call);
  Napi::Value isGone(const Napi::CallbackInfo& call);

  std::shared_ptr<slab::SlabReader> reader_;
};

}  // namespace mserve

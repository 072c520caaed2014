#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <vector>

#include "ring/ring_hub.h"

namespace mserve {

/**
 * The JavaScript face of a RingHub, private to shared-rings.ts, which checks every argument before it calls.
 *   new NativeRings(hub, onNews)               throws an Error that says why there is none; onNews() in the check phase of a turn in which there is something to be read
 *   offer(ring)                                false: there is no room for a further one
 *   begin(ring)                                false: there is no such ring, or it is being read
 *   shut(ring)                                 it is not read any more
 *   read(bytes, words)                         the events of a pass, each as 4 words from words[2] on: kind, number, offset, length; words[0]: 1 when the pass is over, words[1]: bytes that one
 *                                              record needs which did not fit
 *   open(outlet, hub, ring, timeoutMs, done)   done(isOpen)
 *   write(outlet, kind, bytes, words)          0: written, 1: full, 2: closed; words[0]: position behind it, words[1]: what the reader has taken
 *   taken(outlet)                              -1: it is not open
 *   leave(outlet)
 *   close()
 */
class NativeRings : public Napi::ObjectWrap<NativeRings> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeRings(const Napi::CallbackInfo& call);

 private:
  class Opening;
  struct Turns;

  Napi::Value offer(const Napi::CallbackInfo& call);
  Napi::Value begin(const Napi::CallbackInfo& call);
  Napi::Value shut(const Napi::CallbackInfo& call);
  Napi::Value read(const Napi::CallbackInfo& call);
  Napi::Value open(const Napi::CallbackInfo& call);
  Napi::Value write(const Napi::CallbackInfo& call);
  Napi::Value taken(const Napi::CallbackInfo& call);
  Napi::Value leave(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);

  Turns* turns_ = nullptr;  // ends by itself, when the event loop has let go of it
  std::vector<ring::Event> events_;
};

}  // namespace mserve

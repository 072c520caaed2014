#pragma once

#include <napi.h>

#include <initializer_list>

#include "run.h"

namespace mserve {

/**
 * Calls a JavaScript function. Not by Napi's own call, which ends the process when JavaScript can run no more (a worker thread
 * that is being terminated). An exception of the function becomes an uncaught one.
 */
void callBack(Napi::Env env, const Napi::FunctionReference& function, std::initializer_list<napi_value> arguments);

/**
 * Hands settled runs to JavaScript with few calls. What fits is written as numbers and bytes into the inbox (two typed arrays
 * shared with native-link.ts), texts and large outputs go along as an array; one call of onSettled(count, extras) empties it.
 * The layout of the words is in words.h.
 */
class SettlementWriter {
 public:
  void start(Napi::Function onSettled) { onSettled_ = Napi::Persistent(onSettled); }
  void useInbox(Napi::TypedArray words, Napi::TypedArray bytes);
  void add(Napi::Env env, Run& run);
  void flush(Napi::Env env);

 private:
  size_t wordsOf(const Run& run) const;
  void addOutput(Napi::Env env, Run& run, OutputTensor& output, int64_t smallBase);
  void addExtra(Napi::Env env, napi_value extra);

  Napi::FunctionReference onSettled_;
  Napi::Reference<Napi::TypedArray> wordsReference_;
  Napi::Reference<Napi::TypedArray> bytesReference_;
  double* words_ = nullptr;
  uint8_t* bytes_ = nullptr;
  size_t wordCapacity_ = 0;
  size_t byteCapacity_ = 0;
  size_t wordCount_ = 0;
  size_t byteCount_ = 0;
  uint32_t runCount_ = 0;
  uint32_t extraCount_ = 0;
  napi_value extras_ = nullptr;  // lives in the handle scope of deliverAll
};

}  // namespace mserve

/**
 * Tests of the acl backend on the fake library, without Node: acl_backend_test FAKE_LIBRARY FOLDER. FAKE_LIBRARY may be a folder like $ASCEND_HOME_PATH, with
 * lib64/libacl_rt.so and lib64/libacl_mdl.so. Also built with the address and the thread sanitizer;
 * libs/native/src/acl-backend.spec.ts runs it. Exit code 0 and the names of the tests, or 1 and what went wrong.
 */
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>

#include "acl/acl_abi.h"
#include "acl/acl_backend.h"

using namespace mserve;

namespace {

std::string folder;
const char* running = "";
int problems = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  problems++;
  std::fprintf(stderr, "%s: %s\n", running, what.c_str());
}

/** The fake's functions, by name. */
void* fakeLibrary = nullptr;
template <typename Function>
Function symbol(const char* name) {
  auto* found = reinterpret_cast<Function>(::dlsym(fakeLibrary, name));
  if (found == nullptr) std::abort();
  return found;
}

std::string violations() {
  char text[4096];
  symbol<size_t (*)(char*, size_t)>("fakeAclViolations")(text, sizeof(text));
  return text;
}
size_t live() { return symbol<size_t (*)()>("fakeAclLive")(); }
long calls() { return symbol<long (*)()>("fakeAclCalls")(); }
void failAt(long n, int code) { symbol<void (*)(long, int)>("fakeAclFailAt")(n, code); }
void forget() { symbol<void (*)()>("fakeAclReset")(); }

/** Nothing is left, nothing was misused. */
void expectClean(const std::string& when) {
  expect(live() == 0, when + ": " + std::to_string(live()) + " things are left on the device");
  expect(violations().empty(), when + ": violations: " + violations());
  forget();
}

std::string write(const std::string& name, const std::string& text, const std::string& blob = "", const std::function<void(std::string&)>& change = nullptr) {
  std::string header(256, '\0');
  std::string body = text + "blob\n" + blob;
  header.replace(0, 4, "IMOD");
  header[4] = 0;
  header[5] = 1;
  header[82] = 1;
  const uint64_t length = body.size();
  std::memcpy(header.data() + 76, &length, 4);
  std::memcpy(header.data() + 184, &length, 8);
  std::string file = header + body;
  if (change) change(file);
  const std::string path = folder + "/" + name + ".om";
  std::ofstream(path, std::ios::binary) << file;
  return path;
}

std::string addModel() {
  return write("add", "input a float32 2,2\ninput b float32 2,2\noutput add:0:y float32 2,2 y\nnode Add a,b y\n");
}

std::string gearModel() {
  const float weights[] = {1, 0, 0, 1, 1, 1};
  return write("gears", "input x float32 -1,3\noutput y float32 -1,2 y\noutput n int32 -1 n\ngears 2,4,8\nweight w float32 3,2 0\nnode MatMul x,w y\nnode ArgMax y n\n",
               std::string(reinterpret_cast<const char*>(weights), sizeof(weights)));
}

OpenRequest requestOf(const std::string& path, int device = 0) {
  OpenRequest request;
  request.device = {"acl", "ascend", device, {}};
  request.modelPath = path;
  return request;
}

std::unique_ptr<BackendSession> open(const std::string& path, Failure& failure, int device = 0) {
  LoadCancellation cancellation;
  return aclBackend().open(requestOf(path, device), cancellation, failure);
}

struct Result {
  Failure failure;
  std::vector<std::vector<float>> outputs;
  std::vector<std::vector<int64_t>> dims;
};

Result run(Lane& lane, std::vector<std::vector<float>> inputs, const std::vector<std::vector<int64_t>>& dims) {
  Run run;
  for (size_t i = 0; i < inputs.size(); i++) run.inputs.push_back({inputs[i].data(), inputs[i].size() * sizeof(float), dims[i]});
  lane.execute(run);
  Result result{run.failure, {}, {}};
  for (OutputTensor& output : run.outputs) {
    if (run.failure) break;
    const auto* bytes = static_cast<const uint8_t*>(output.isSmall ? run.smallBytes.data() + output.smallOffset : output.bytes);
    std::vector<float> values(output.byteLength / sizeof(float));
    std::memcpy(values.data(), bytes, output.byteLength);
    result.outputs.push_back(values);
    result.dims.push_back(output.dims);
  }
  run.reset();
  return result;
}

Result runAdd(Lane& lane) { return run(lane, {{1, 2, 3, 4}, {10, 20, 30, 40}}, {{2, 2}, {2, 2}}); }

void answersOfAStaticModel() {
  Failure failure;
  auto session = open(addModel(), failure);
  expect(session != nullptr, failure.message);
  if (session == nullptr) return;
  const SessionDescription& told = session->description();
  expect(told.inputs.size() == 2 && told.inputs[1].name == "b" && told.outputs[0].name == "add:0:y", "names");
  expect(told.inputs[0].dims == std::vector<int64_t>{2, 2}, "shape");
  auto lane = session->createLane(failure);
  expect(runAdd(*lane).outputs == std::vector<std::vector<float>>{{11, 22, 33, 44}}, "values");
  for (const size_t bytes : {12, 15, 20}) {
    Run wrong;
    std::vector<float> values(8);
    wrong.inputs = {{values.data(), bytes, {2, 2}}, {values.data(), 16, {2, 2}}};
    lane->execute(wrong);
    expect(wrong.failure.kind == FailureKind::Input, "an input of a few bytes too many or too few is refused");
  }
  lane.reset();
  session.reset();
  expectClean("after close");
}

void answersOfEveryBatch() {
  Failure failure;
  auto session = open(gearModel(), failure);
  expect(session != nullptr, failure.message);
  if (session == nullptr) return;
  expect(session->description().inputs.size() == 1, "the hidden input is not shown");
  expect(session->description().inputs[0].dims == std::vector<int64_t>{-1, 3}, "the batch is open");
  auto lane = session->createLane(failure);
  for (int64_t batch = 1; batch <= 8; batch++) {
    std::vector<float> x, y;
    for (int64_t i = 0; i < batch; i++) {
      const auto a = static_cast<float>(i);
      x.insert(x.end(), {a, 2 * a, 1});
      y.insert(y.end(), {a + 1, 2 * a + 1});
    }
    const Result result = run(*lane, {x}, {{batch, 3}});
    expect(!result.failure, result.failure.message);
    expect(!result.failure && result.outputs[0] == y, "values of batch " + std::to_string(batch));
    expect(!result.failure && result.dims[0] == std::vector<int64_t>{batch, 2} && result.dims[1] == std::vector<int64_t>{batch}, "shapes of the outputs");
  }
  expect(run(*lane, {std::vector<float>(27)}, {{9, 3}}).failure.message == "input \"x\" has a batch of 9, the model takes 1 to 8", "a batch beyond the gears");
  lane.reset();
  session.reset();
  expectClean("after close");
}

void everyCallOfALoadMayFail() {
  for (const std::string& path : {addModel(), gearModel()}) {
    const long before = calls();
    Failure none;
    open(path, none).reset();
    const long all = calls() - before;
    long failures = 0;
    for (long n = 1; n <= all; n++) {
      Failure failure;
      failAt(n, 507000);
      auto session = open(path, failure);
      failAt(0, 0);
      if (session == nullptr) {
        failures++;
        expect(failure.kind != FailureKind::None && !failure.message.empty(), "call " + std::to_string(n) + ": no failure is told");
      }
      session.reset();
      expect(live() == 0, "call " + std::to_string(n) + " failed: " + std::to_string(live()) + " things are left");
      expect(violations().empty(), "call " + std::to_string(n) + " failed: " + violations());
    }
    expect(failures > 20, "most calls belong to the load");
    forget();
  }
}

void everyCallOfARunMayFail() {
  Failure failure;
  auto session = open(gearModel(), failure);
  auto lane = session->createLane(failure);
  const std::vector<float> x(9, 1);
  const long before = calls();
  run(*lane, {x}, {{3, 3}});
  const long all = calls() - before;
  for (long n = 1; n <= all; n++) {
    failAt(n, 507000);
    const Result failed = run(*lane, {x}, {{3, 3}});
    failAt(0, 0);
    expect(failed.failure.kind == FailureKind::Run, "call " + std::to_string(n) + " of a run fails it");
    expect(failed.failure.message.find("AscendCL 507000") != std::string::npos, "its code is told: " + failed.failure.message);
    const bool hasTexts = ::dlsym(fakeLibrary, "aclGetRecentErrMsg") != nullptr;  // not in old versions
    expect(!hasTexts || failed.failure.message.find("injected failure") != std::string::npos, "and the device's own text: " + failed.failure.message);
    expect(!run(*lane, {x}, {{3, 3}}).failure, "the next run is well");
  }
  for (const int code : {507010, 507014, 507018, 507053, 507901}) {
    failAt(1, code);
    expect(run(*lane, {x}, {{3, 3}}).failure.kind == FailureKind::Lost, "code " + std::to_string(code) + " is a lost device");
    failAt(0, 0);
  }
  lane.reset();
  session.reset();
  expectClean("after close");
}

void filesThatAreNone() {
  const auto refused = [](const std::string& path, const std::string& text) {
    Failure failure;
    expect(open(path, failure) == nullptr && failure.message.find(text) != std::string::npos, "'" + text + "' expected, got: " + failure.message);
  };
  const std::string body = "input x float32 1\noutput y float32 1 x\n";
  refused(folder + "/absent.om", "the model file cannot be opened: No such file or directory");
  refused(write("encrypted", body, "", [](std::string& file) { file[80] = 1; }), "encrypted");
  refused(write("bundle", body, "", [](std::string& file) { file[82] = 4; }), "bundle");
  refused(write("cut", body, "", [](std::string& file) { file.pop_back(); }), "cut off");
  refused(write("head", body, "", [](std::string& file) { file.resize(100); }), "cut off");
  refused(write("short", body, "", [](std::string& file) { file = "abc"; }), "too short");
  refused(write("foreign", body, "", [](std::string& file) { file[0] = 'X'; }), "AscendCL 145006");
  refused(write("int4", "input x int4 2\noutput y float32 2 x\n"), "element type 29");
  refused(write("open", "input x float32 -1,2\noutput y float32 -1,2 x\n"), "decided at run time");
  Failure failure;
  LoadCancellation cancellation;
  OpenRequest request = requestOf(addModel());
  request.device.options = {{"precisionMode", "force_fp16"}};
  expect(aclBackend().open(request, cancellation, failure) == nullptr && failure.message.find("\"precisionMode\" only applies when") != std::string::npos, failure.message);
  failure.clear();
  expect(open(addModel(), failure, 7) == nullptr && failure.message.find("there is no Ascend device 7") != std::string::npos, failure.message);
  expectClean("after refusals");
}

void manyModelsAndThreads() {
  Failure failure;
  std::vector<std::unique_ptr<BackendSession>> sessions;
  for (int i = 0; i < 4; i++) sessions.push_back(open(addModel(), failure, i % 2));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&, i] {
      Failure own;
      auto lane = sessions[static_cast<size_t>(i) % 4]->createLane(own);
      for (int n = 0; n < 50; n++) {
        if (runAdd(*lane).outputs != std::vector<std::vector<float>>{{11, 22, 33, 44}}) wrong++;
      }
    });
  }
  // Models come and go meanwhile
  for (int n = 0; n < 10; n++) {
    Failure own;
    open(gearModel(), own, n % 2).reset();
    expect(!own, own.message);
  }
  for (std::thread& thread : threads) thread.join();
  expect(wrong == 0, std::to_string(wrong) + " wrong answers");
  sessions.clear();
  expectClean("after close");
}

void theEndLeavesNothing() {
  Failure failure;
  open(addModel(), failure).reset();
  aclBackend().end();
  expectClean("after the end");
  open(addModel(), failure).reset();
  expect(!failure, "it begins again: " + failure.message);
  aclBackend().end();
  expectClean("after the second end");
}

// What the fake must notice: each misuse, committed on purpose.

struct Direct {
  acl::Api api;
  acl::Context context = nullptr;
  Direct() {
    using namespace acl;
#define MSERVE_FILL(name, result, arguments) api.name = symbol<result(*) arguments>(#name);
    MSERVE_ACL_FUNCTIONS(MSERVE_FILL)
#undef MSERVE_FILL
    api.aclInit(nullptr);
    api.aclrtSetDevice(0);
    api.aclrtCreateContext(&context, 0);
  }
  ~Direct() {
    api.aclrtSetCurrentContext(context);
    api.aclrtDestroyContext(context);
    api.aclrtResetDevice(0);
    api.aclFinalize();
    forget();
  }
  void* block(size_t size) {
    void* address = nullptr;
    api.aclrtMalloc(&address, size, 0);
    return address;
  }
  uint32_t load(const std::string& path) {
    uint32_t id = 0;
    api.aclmdlLoadFromFile(path.c_str(), &id);
    return id;
  }
  acl::Dataset* dataset(const std::vector<std::pair<void*, size_t>>& blocks) {
    acl::Dataset* made = api.aclmdlCreateDataset();
    for (const auto& [address, size] : blocks) api.aclmdlAddDatasetBuffer(made, api.aclCreateDataBuffer(address, size));
    return made;
  }
  void* filled(size_t size) {
    void* address = block(size);
    api.aclrtMemset(address, size, 0, size);
    return address;
  }
};

void everyMisuseIsNoticed() {
  const std::string add = addModel(), gears = gearModel();
  std::vector<uint8_t> host(256);
  struct Misuse {
    const char* text;
    int code;
    std::function<int(Direct&)> commit;
  };
  const std::vector<Misuse> misuses = {
      {"aclrtFree twice", 107000, [&](Direct& it) { void* p = it.block(8); it.api.aclrtFree(p); return it.api.aclrtFree(p); }},
      {"aclrtFree of what is no block", 107000, [&](Direct& it) { return it.api.aclrtFree(host.data()); }},
      {"aclrtFree of what is no block", 107000, [&](Direct& it) { return it.api.aclrtFree(static_cast<uint8_t*>(it.block(64)) + 8); }},
      {"aclrtMemcpy of more than fits", 107000, [&](Direct& it) { return it.api.aclrtMemcpy(it.block(8), 8, host.data(), 16, 1); }},
      {"not within one live block", 107000, [&](Direct& it) { return it.api.aclrtMemcpy(it.block(8), 256, host.data(), 256, 1); }},
      {"not within one live block", 107000, [&](Direct& it) { void* p = it.block(8); it.api.aclrtFree(p); return it.api.aclrtMemcpy(p, 8, host.data(), 8, 1); }},
      {"not within one live block", 107000, [&](Direct& it) { return it.api.aclrtMemcpy(host.data(), 8, host.data(), 8, 1); }},
      {"never written", 0, [&](Direct& it) { return it.api.aclrtMemcpy(host.data(), 8, it.block(8), 8, 2); }},
      {"both sides are on the device", 107000, [&](Direct& it) { void* p = it.filled(8); return it.api.aclrtMemcpy(it.block(8), 8, p, 8, 1); }},
      {"a kind that is not used", 107000, [&](Direct& it) { return it.api.aclrtMemcpy(it.block(8), 8, host.data(), 8, 3); }},
      {"aclrtMemset of more than fits", 107000, [&](Direct& it) { return it.api.aclrtMemset(it.block(8), 8, 0, 9); }},
      {"on a thread without a context", 107002, [&](Direct& it) { int code = 0; std::thread([&] { void* p; code = it.api.aclrtMalloc(&p, 8, 0); }).join(); return code; }},
      {"of what is no context, or was destroyed", 107000, [&](Direct& it) { acl::Context other; it.api.aclrtCreateContext(&other, 0); it.api.aclrtDestroyContext(other); return it.api.aclrtSetCurrentContext(other); }},
      {"aclrtDestroyContext of what is no context", 107002, [&](Direct& it) { acl::Context other; it.api.aclrtCreateContext(&other, 0); it.api.aclrtDestroyContext(other); return it.api.aclrtDestroyContext(other); }},
      {"aclrtResetDevice without aclrtSetDevice", 507007, [&](Direct& it) { return it.api.aclrtResetDevice(1); }},
      {"memory of another device", 0, [&](Direct& it) { void* p = it.block(8); acl::Context other; it.api.aclrtCreateContext(&other, 1); return it.api.aclrtMemcpy(p, 8, host.data(), 8, 1); }},
      {"aclmdlUnload twice", 145003, [&](Direct& it) { const uint32_t id = it.load(add); it.api.aclmdlUnload(id); return it.api.aclmdlUnload(id); }},
      {"aclmdlUnload of what is no model", 145003, [&](Direct& it) { return it.api.aclmdlUnload(99999); }},
      {"aclmdlDestroyDesc twice", 100000, [&](Direct& it) { auto* d = it.api.aclmdlCreateDesc(); it.api.aclmdlDestroyDesc(d); return it.api.aclmdlDestroyDesc(d); }},
      {"aclDestroyDataBuffer twice", 100000, [&](Direct& it) { auto* b = it.api.aclCreateDataBuffer(it.block(8), 8); it.api.aclDestroyDataBuffer(b); return it.api.aclDestroyDataBuffer(b); }},
      {"aclDestroyDataBuffer of a buffer that is in a dataset", 0, [&](Direct& it) { auto* b = it.api.aclCreateDataBuffer(it.block(8), 8); it.api.aclmdlAddDatasetBuffer(it.api.aclmdlCreateDataset(), b); return it.api.aclDestroyDataBuffer(b); }},
      {"aclrtFree of memory that a data buffer refers to", 0, [&](Direct& it) { void* p = it.block(8); it.api.aclCreateDataBuffer(p, 8); return it.api.aclrtFree(p); }},
      {"aclmdlExecute of what is no model", 145003, [&](Direct& it) { return it.api.aclmdlExecute(99999, it.dataset({}), it.dataset({})); }},
      {"aclmdlExecute with a wrong number of buffers", 145000, [&](Direct& it) { return it.api.aclmdlExecute(it.load(add), it.dataset({}), it.dataset({})); }},
      {"the buffer has 12 bytes, the model takes 16", 0, [&](Direct& it) { return it.api.aclmdlExecute(it.load(add), it.dataset({{it.filled(12), 12}, {it.filled(16), 16}}), it.dataset({{it.block(16), 16}})); }},
      {"the buffer has 32 bytes, the model takes 16", 0, [&](Direct& it) { return it.api.aclmdlExecute(it.load(add), it.dataset({{it.filled(32), 32}, {it.filled(16), 16}}), it.dataset({{it.block(16), 16}})); }},
      {"input 0: not within one live block", 507011, [&](Direct& it) { return it.api.aclmdlExecute(it.load(add), it.dataset({{host.data(), 16}, {it.filled(16), 16}}), it.dataset({{it.block(16), 16}})); }},
      {"with input 1 never written", 0, [&](Direct& it) { return it.api.aclmdlExecute(it.load(add), it.dataset({{it.filled(16), 16}, {it.block(16), 16}}), it.dataset({{it.block(16), 16}})); }},
      {"in another context than the model's", 107004, [&](Direct& it) { const uint32_t id = it.load(add); acl::Context other; it.api.aclrtCreateContext(&other, 0); return it.api.aclmdlExecute(id, it.dataset({}), it.dataset({})); }},
      {"a context was destroyed before model", 0, [&](Direct& it) { acl::Context other; it.api.aclrtCreateContext(&other, 0); it.load(add); return it.api.aclrtDestroyContext(other); }},
      {"aclmdlSetDynamicBatchSize of no gear", 145013, [&](Direct& it) { return it.api.aclmdlSetDynamicBatchSize(it.load(gears), it.dataset({{it.filled(96), 96}, {it.block(8), 8}}), 1, 3); }},
      {"without aclmdlSetDynamicBatchSize", 0, [&](Direct& it) { return it.api.aclmdlExecute(it.load(gears), it.dataset({{it.filled(96), 96}, {it.filled(8), 8}}), it.dataset({{it.block(64), 64}, {it.block(32), 32}})); }},
  };
  for (const Misuse& misuse : misuses) {
    Direct direct;
    const int code = misuse.commit(direct);
    expect(violations().find(misuse.text) != std::string::npos, std::string("not noticed: ") + misuse.text + "; noticed: " + violations());
    expect(code == misuse.code, std::string(misuse.text) + ": code " + std::to_string(code));
    forget();
  }
  const auto aclInit = symbol<int (*)(const char*)>("aclInit");
  const auto aclFinalize = symbol<int (*)()>("aclFinalize");
  uint32_t count = 0;
  expect(symbol<int (*)(uint32_t*)>("aclrtGetDeviceCount")(&count) == 100001, "a call before aclInit");
  expect(violations().find("after aclFinalize") != std::string::npos, "is noticed: " + violations());
  expect(aclInit(nullptr) == 0 && aclInit(nullptr) == 100002, "aclInit twice");
  expect(aclFinalize() != 100037 && aclFinalize() == 100037, "aclFinalize twice");
}

void theHostCannotTouchDeviceMemory() {
  Direct direct;
  auto* block = static_cast<volatile uint8_t*>(direct.block(64));
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(2);  // a sanitizer would report what is meant to happen
    const uint8_t byte = block[0];
    ::_exit(byte == 0 ? 0 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  expect(!(WIFEXITED(status) && WEXITSTATUS(status) == 0), "the host read device memory");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  folder = argv[2];
  const std::string runtime = std::string(argv[1]) + "/lib64/libacl_rt.so";
  const bool isSplit = ::access(runtime.c_str(), R_OK) == 0;
  ::unsetenv("ACL_LIBRARY");
  ::setenv(isSplit ? "ASCEND_HOME_PATH" : "ACL_LIBRARY", argv[1], 1);
  ::setenv("FAKE_ACL_DEVICES", "2", 1);
  Failure failure;
  ::setenv("NODE_ENV", "production", 1);
  running = "the fake is refused in production";
  expect(open(addModel(), failure) == nullptr && failure.message.find("stand-in for tests") != std::string::npos, failure.message);
  ::setenv("NODE_ENV", "test", 1);
  fakeLibrary = ::dlopen(isSplit ? runtime.c_str() : argv[1], RTLD_NOW | RTLD_LOCAL);
  const std::pair<const char*, void (*)()> tests[] = {
      {"answers of a static model", answersOfAStaticModel},
      {"answers of every batch of a model with gears", answersOfEveryBatch},
      {"every call of a load may fail", everyCallOfALoadMayFail},
      {"every call of a run may fail", everyCallOfARunMayFail},
      {"files that are none", filesThatAreNone},
      {"many models and threads on two devices", manyModelsAndThreads},
      {"the end leaves nothing", theEndLeavesNothing},
      {"every misuse is noticed", everyMisuseIsNoticed},
      {"the host cannot touch device memory", theHostCannotTouchDeviceMemory},
  };
  for (const auto& [name, test] : tests) {
    running = name;
    test();
    std::printf("%s\n", name);
  }
  return problems == 0 ? 0 : 1;
}

#include "acl/acl_backend.h"

#include <atomic>

#include "acl/acl_device.h"
#include "acl/acl_model.h"
#include "acl/om_header.h"
#include "ascend_claim.h"

namespace mserve {

namespace {

/** Runs of one model are executed one after the other, with those of all models on the device. A run that has begun on the device cannot be ended. */
class AclLane : public Lane {
 public:
  AclLane(acl::Device& device, acl::Model& model) : device_(device), model_(model) {}

  void execute(Run& run) override {
    device_.call([&] {
      if (!isTerminated_.load()) model_.run(run);
    });
  }
  void terminate() override { isTerminated_.store(true); }
  void allow() override { isTerminated_.store(false); }

 private:
  acl::Device& device_;
  acl::Model& model_;
  std::atomic<bool> isTerminated_{false};
};

class AclSession : public BackendSession {
 public:
  explicit AclSession(std::shared_ptr<acl::Device> device) : device_(std::move(device)), model_(device_->library()) {}
  ~AclSession() override {
    device_->call([&] { model_.unload(); });
  }

  bool load(const std::string& path, Failure& failure) {
    bool isLoaded = false;
    device_->call([&] { isLoaded = model_.load(path, failure); });
    return isLoaded;
  }
  const SessionDescription& description() const override { return model_.description(); }
  /** Never on the owner's thread: that would wait for the device's. */
  bool hasOpenEndedCost() const override { return true; }
  AloneGate* gate() override { return nullptr; }
  std::unique_ptr<Lane> createLane(Failure&) override { return std::make_unique<AclLane>(*device_, model_); }

 private:
  const std::shared_ptr<acl::Device> device_;
  acl::Model model_;  // its memory is gone before its device is
};

class AclBackend : public Backend {
 public:
  const char* name() const override { return "acl"; }
  std::vector<std::string> providers() const override { return {"ascend"}; }
  void end() override { acl::Library::end(); }

  void examine(const std::string&, const std::string&, bool driverOnly, ProviderReport& report) override {
    Failure failure;
    if (driverOnly) {
      if (acl::Library::isInstalled(failure)) report.driver = "AscendCL";
      else report.problems.push_back(failure.message);
      return;
    }
    const acl::Library* library = acl::Library::use(failure);
    if (library == nullptr) {
      report.problems.push_back(failure.message);
      return;
    }
    acl::examineDevices(*library, report);
    acl::Library::release();
  }

  std::unique_ptr<BackendSession> open(const OpenRequest& request, LoadCancellation&, Failure& failure) override {
    if (!request.device.options.empty()) {
      failure.set(FailureKind::Device, "option \"" + request.device.options[0].first + "\" only applies when a model is compiled for Ascend; an OM file is already compiled");
      return nullptr;
    }
    if (request.modelBytes != nullptr || !request.initializers.empty()) {
      failure.set(FailureKind::Load, "an OM model is loaded from its file");
      return nullptr;
    }
    if (!acl::checkOmFile(request.modelPath, request.refuseLinks, request.linkRoots, failure)) return nullptr;
    if (!claimAscend("acl", failure)) return nullptr;
    std::shared_ptr<acl::Device> device = acl::Device::use(request.device.id, failure);
    if (device == nullptr) return nullptr;
    auto session = std::make_unique<AclSession>(std::move(device));
    if (!session->load(request.modelPath, failure)) return nullptr;
    return session;
  }
};

}  // namespace

Backend& aclBackend() {
  static auto& backend = *new AclBackend();  // never destroyed: a thread may still be opening a model at exit
  return backend;
}

}  // namespace mserve

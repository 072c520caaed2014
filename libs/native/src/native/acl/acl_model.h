#pragma once

#include <string>
#include <vector>

#include "acl/acl_library.h"
#include "backend.h"

namespace mserve::acl {

/**
 * A model on a device, with device memory for one run. Every function is called on the device's thread, with its context current, and needs no context of
 * its own. Models with batch gears take any batch up to the largest gear: a run uses the smallest gear that holds it.
 */
class Model {
 public:
  explicit Model(const Library& library) : library_(library), api_(library.api) {}
  /** Unloads too. */
  ~Model() { unload(); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /** Loads, describes and takes memory. False and a failure when any of it fails; nothing is left on the device then. */
  bool load(const std::string& path, Failure& failure);
  void run(Run& run);
  void unload();
  const SessionDescription& description() const { return description_; }

 private:
  /** An input or output with its memory on the device. */
  struct Place {
    ValueDescription value;
    size_t size = 0;           // of the largest gear
    bool hasBatch = false;     // the first dim is the batch, of a model with gears
    void* memory = nullptr;
    DataBuffer* buffer = nullptr;
  };

  bool loadAll(const std::string& path, Failure& failure);
  bool readGears(Failure& failure);
  bool describe(bool isInput, Failure& failure);
  bool describePlace(bool isInput, size_t index, Place& place, Failure& failure);
  bool checkShape(bool isInput, Place& place, const Dims& dims, Failure& failure);
  bool allocate(Place& place, Dataset* dataset, Failure& failure);
  bool checkInputs(const Run& run, uint64_t& batch, Failure& failure) const;
  bool copyIn(const Run& run, uint64_t batch, uint64_t gear, Failure& failure);
  bool takeOutput(Run& run, size_t index, uint64_t batch, uint64_t gear);
  uint64_t gearFor(uint64_t batch) const;
  void release(std::vector<Place>& places, Dataset*& dataset);

  const Library& library_;
  const Api& api_;
  uint32_t id_ = 0;
  bool isLoaded_ = false;
  ModelDescription* model_ = nullptr;
  std::vector<uint64_t> gears_;  // rising; empty: a static model
  size_t gearInput_ = 0;         // where gears_ has entries
  std::vector<size_t> shown_;    // indexes of the inputs that a run gives
  std::vector<Place> inputs_;
  std::vector<Place> outputs_;
  Dataset* inputSet_ = nullptr;
  Dataset* outputSet_ = nullptr;
  SessionDescription description_;
};

}  // namespace mserve::acl

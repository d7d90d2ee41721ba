// What is not as declared now, and what changed since the last look. A difference is told when it appears and when it
// is gone, never in between.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exposure/own/finding.hpp"
#include "ipc/settings.hpp"

namespace clawql::supervisor {

struct DriftChange {
  bool appeared = true;
  exposure::own::Finding finding;
};

class DriftBook {
 public:
  // Takes the findings of a look, and returns what is new and what is gone.
  std::vector<DriftChange> update(std::vector<exposure::own::Finding> found);
  const std::vector<exposure::own::Finding>& present() const { return present_; }
  std::vector<ipc::DriftCount> counts() const;  // by id; at most kMostIds

  static constexpr std::size_t kMostIds = 100;

 private:
  std::vector<exposure::own::Finding> present_;
};

// Messages for the engine, each short enough for the control line. `events` beyond what a log can use are counted by
// the last one.
std::vector<ipc::ExposureMessage> exposure_messages(const ipc::ExposureMessage& state,
                                                    const std::vector<DriftChange>& changes);

}  // namespace clawql::supervisor

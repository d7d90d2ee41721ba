// The instances of all entries that somebody in this shard has for himself, whichever shard owns the entry. Makes them,
// hands them the supervisor's reports, and tells them of reloads.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/audit/audit.hpp"
#include "engine/upstream/instance.hpp"
#include "engine/upstream/instance_counts.hpp"

namespace clawql::engine::upstream {

class Instances final : public InstanceMaker {
 public:
  struct Parts {  // all borrowed, for the life of this
    io::Loop& loop;
    Launcher& launcher;
    base::Logger& log;
    telemetry::Registry& metrics;
    InstanceCounts& counts;
  };
  Instances(Parts parts, std::uint32_t shard) : parts_(parts), numbers_(shard) {}

  std::unique_ptr<OwnServer> make(const InstanceOrder& order, Server::Observer& observer) override;
  InstanceNumbers& numbers() { return numbers_; }
  void apply(const ipc::EngineSettings& settings);
  // Null when nobody here has such a process (any more).
  Instance* find(std::string_view entry, std::uint64_t number) const;

  const Parts& parts() const { return parts_; }
  const base::Limits& limits() const { return limits_; }

 private:
  friend class Instance;
  Parts parts_;
  InstanceNumbers numbers_;
  base::Limits limits_;
  std::vector<ipc::ServerSettings> entries_;
  std::vector<Instance*> live_;  // each takes itself out
};

}  // namespace clawql::engine::upstream

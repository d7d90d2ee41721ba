#include "supervisor/drift.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace clawql::supervisor {
namespace {

using exposure::own::Finding;

// A control message has 64 KiB, and an audit record 1 KiB for its detail.
constexpr std::size_t kEventsInOne = 16;
constexpr std::size_t kMostEvents = 64;
constexpr std::size_t kMostSubject = 200;
constexpr std::size_t kMostText = 600;

bool holds(const std::vector<Finding>& list, const Finding& one) {
  return std::ranges::any_of(list, [&](const Finding& other) { return other.same_as(one); });
}

ipc::DriftEvent event_of(const DriftChange& change) {
  const Finding& finding = change.finding;
  return {change.appeared, finding.id, std::string(exposure::ports::name_of(finding.severity)),
          finding.subject.substr(0, kMostSubject), finding.text.substr(0, kMostText)};
}

}  // namespace

std::vector<DriftChange> DriftBook::update(std::vector<Finding> found) {
  std::vector<DriftChange> changes;
  for (const Finding& finding : found)
    if (!holds(present_, finding)) changes.push_back({true, finding});
  for (const Finding& finding : present_)
    if (!holds(found, finding)) changes.push_back({false, finding});
  present_ = std::move(found);
  return changes;
}

std::vector<ipc::DriftCount> DriftBook::counts() const {
  std::map<std::string, std::uint32_t> by_id;
  for (const Finding& finding : present_) ++by_id[finding.id];
  std::vector<ipc::DriftCount> counts;
  for (const auto& [id, count] : by_id)
    if (counts.size() < kMostIds) counts.push_back({id, count});
  return counts;
}

std::vector<ipc::ExposureMessage> exposure_messages(const ipc::ExposureMessage& state,
                                                    const std::vector<DriftChange>& changes) {
  std::vector<ipc::DriftEvent> events;
  for (const DriftChange& change : changes) {
    if (events.size() == kMostEvents) break;
    events.push_back(event_of(change));
  }
  if (changes.size() > events.size())
    events.back().text =
        fmt::format("this and {} more; they are in the log of clawql-api", changes.size() - events.size());
  std::vector<ipc::ExposureMessage> messages;
  for (std::size_t first = 0; first == 0 || first < events.size(); first += kEventsInOne) {
    ipc::ExposureMessage& message = messages.emplace_back(state);
    const std::size_t last = std::min(events.size(), first + kEventsInOne);
    message.events.assign(events.begin() + static_cast<std::ptrdiff_t>(first),
                          events.begin() + static_cast<std::ptrdiff_t>(last));
  }
  return messages;
}

}  // namespace clawql::supervisor

#include "engine/mcp/task_book.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/mcp/random.hpp"

namespace clawql::engine::mcp {
namespace {

Result<std::string> make_id() {
  CLAWQL_TRY(const auto bytes, random_bytes());
  std::string id;
  for (const std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(id), "{:02x}", byte);
  return id;
}

}  // namespace

std::optional<TaskBook::Place> TaskBook::reserve(std::string_view principal, const Limits& limits,
                                                 base::Microseconds now) {
  const std::lock_guard lock(mutex_);
  purge(now);
  const auto known = owners_.find(principal);
  const std::size_t his = known == owners_.end() ? 0 : known->second.tasks.size() + known->second.reserved;
  if (his >= limits.principal || entries_.size() + reserved_ >= limits.all) return std::nullopt;
  std::string name(principal);
  ++owners_[name].reserved;
  ++reserved_;
  return std::make_optional<Place>(*this, std::move(name));
}

void TaskBook::give_back(const std::string& principal) {
  const std::lock_guard lock(mutex_);
  const auto owner = owners_.find(principal);
  --owner->second.reserved;
  --reserved_;
  if (owner->second.reserved == 0 && owner->second.tasks.empty()) owners_.erase(owner);
}

Result<std::string> TaskBook::add(Task task, base::Microseconds expires) {
  const std::lock_guard lock(mutex_);
  auto key = std::pair(task.process, task.upstream);
  if (const auto known = by_upstream_.find(key); known != by_upstream_.end()) {
    Entry& entry = entries_.find(known->second)->second;
    if (entry.task.principal != task.principal) return fail("it named a task that is not this caller's");
    set_expiry(entry, std::max(entry.expires, expires));
    return entry.task.id;
  }
  CLAWQL_TRY(task.id, make_id());
  task.number = ++last_number_;
  std::string id = task.id;
  owners_[task.principal].tasks.emplace(task.number, id);
  by_upstream_.emplace(std::move(key), id);
  expiry_.emplace(std::pair(expires, task.number), id);
  entries_.emplace(id, Entry{std::move(task), expires});
  return id;
}

std::optional<Task> TaskBook::find(std::string_view id, std::string_view principal, base::Microseconds now) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.task.principal != principal || found->second.expires <= now)
    return std::nullopt;
  return found->second.task;
}

std::optional<Task> TaskBook::find_upstream(std::uint64_t process, std::string_view id, base::Microseconds now) const {
  const std::lock_guard lock(mutex_);
  const auto known = by_upstream_.find(std::pair(process, std::string(id)));
  if (known == by_upstream_.end()) return std::nullopt;
  const Entry& entry = entries_.find(known->second)->second;
  return entry.expires <= now ? std::nullopt : std::optional(entry.task);
}

std::vector<Task> TaskBook::page(std::string_view principal, std::uint64_t number, std::size_t most,
                                 base::Microseconds now) {
  const std::lock_guard lock(mutex_);
  purge(now);
  std::vector<Task> tasks;
  const auto owner = owners_.find(principal);
  if (owner == owners_.end()) return tasks;
  for (auto next = owner->second.tasks.upper_bound(number); next != owner->second.tasks.end(); ++next) {
    if (tasks.size() == most) break;
    tasks.push_back(entries_.find(next->second)->second.task);
  }
  return tasks;
}

void TaskBook::keep_until(std::string_view id, base::Microseconds expires) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found != entries_.end()) set_expiry(found->second, std::max(found->second.expires, expires));
}

void TaskBook::process_ended(std::uint64_t process, base::Microseconds now) {
  const std::lock_guard lock(mutex_);
  for (auto its = by_upstream_.lower_bound(std::pair(process, std::string()));
       its != by_upstream_.end() && its->first.first == process; ++its) {
    Entry& entry = entries_.find(its->second)->second;
    set_expiry(entry, std::min(entry.expires, now + kMourning));
  }
}

std::vector<std::uint64_t> TaskBook::shared_processes(std::string_view principal) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> found;
  const auto owner = owners_.find(principal);
  if (owner == owners_.end()) return found;
  for (const auto& [number, id] : owner->second.tasks) {
    const Task& task = entries_.find(id)->second.task;
    if (task.shared && std::ranges::find(found, task.process) == found.end()) found.push_back(task.process);
  }
  return found;
}

void TaskBook::forget(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found != entries_.end()) erase(found);
}

std::size_t TaskBook::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void TaskBook::purge(base::Microseconds now) {
  while (!expiry_.empty() && expiry_.begin()->first.first <= now) erase(entries_.find(expiry_.begin()->second));
}

void TaskBook::erase(Entries::iterator entry) {
  const Task& task = entry->second.task;
  by_upstream_.erase(std::pair(task.process, task.upstream));
  expiry_.erase(std::pair(entry->second.expires, task.number));
  const auto owner = owners_.find(task.principal);
  owner->second.tasks.erase(task.number);
  if (owner->second.reserved == 0 && owner->second.tasks.empty()) owners_.erase(owner);
  entries_.erase(entry);
}

void TaskBook::set_expiry(Entry& entry, base::Microseconds expires) {
  auto node = expiry_.extract(std::pair(entry.expires, entry.task.number));
  entry.expires = expires;
  node.key().first = expires;
  expiry_.insert(std::move(node));
}

}  // namespace clawql::engine::mcp

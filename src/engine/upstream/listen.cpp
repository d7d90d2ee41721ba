#include "engine/upstream/listen.hpp"

#include <utility>

#include "json/writer.hpp"

namespace clawql::engine::upstream {

Listen::Listen(Parts parts)
    : parts_(parts),
      opening_deadline_(parts.loop, [this] { on_opening_unanswered(); }),
      reopen_(parts.loop, [this] { update(); }) {}

std::string Listen::filter() const {
  std::string members;
  const auto add = [&members](std::string_view member) { members.append(members.empty() ? "" : ",").append(member); };
  if (parts_.who.tools_change) add(R"("toolsListChanged":true)");
  if (parts_.who.resources_change) add(R"("resourcesListChanged":true)");
  if (parts_.who.prompts_change) add(R"("promptsListChanged":true)");
  if (!parts_.who.features.subscribe || parts_.subscriptions.empty()) return members;
  std::string uris;
  for (const auto& [uri, count] : parts_.subscriptions.uris()) {
    if (!uris.empty()) uris += ',';
    json::append_string(uris, uri);
  }
  add(R"("resourceSubscriptions":[)" + uris + "]");
  return members;
}

void Listen::update() {
  if (opening_) {
    changed_meanwhile_ = true;
    return;
  }
  std::string wanted = filter();
  if (wanted.empty()) return close(current_);
  if (wanted != refused_filter_) open(std::move(wanted));
}

void Listen::open(std::string filter) {
  reopen_.clear();
  changed_meanwhile_ = false;
  opening_deadline_.set(kOpeningPatience);
  opening_ = parts_.own.ask_standing("subscriptions/listen", R"("notifications":{)" + filter + "}",
                                     [this](const OwnRequests::Answer& answer) { on_answer(answer); });
  opening_filter_ = std::move(filter);
}

void Listen::close(std::optional<std::uint64_t>& id) {
  if (!id) return;
  parts_.own.tell("notifications/cancelled", R"("requestId":)" + std::to_string(*id));
  parts_.own.forget(*id);
  id.reset();
}

bool Listen::covers(json::Value params) const {
  const auto id = params.find("_meta").find(kSubscriptionId).uint64();
  return id && id == current_;
}

void Listen::acknowledged(json::Value params) {
  const auto id = params.find("_meta").find(kSubscriptionId).uint64();
  if (!id || id != opening_) return;
  opening_deadline_.clear();
  close(current_);
  current_ = std::exchange(opening_, std::nullopt);
  if (changed_meanwhile_) update();
}

void Listen::cancelled(json::Value params) {
  const auto id = params.find("requestId").uint64();
  if (!id || (id != current_ && id != opening_)) return;
  parts_.own.forget(*id);
  ended(*id);
}

void Listen::on_answer(const OwnRequests::Answer& answer) {
  if (!answer.result && opening_ == answer.id) {
    refused_filter_ = opening_filter_;
    parts_.log.warning("server.listen-refused", {{"server", parts_.server}, {"why", answer.why()}});
  }
  ended(answer.id);
}

void Listen::ended(std::uint64_t id) {
  if (opening_ == id) {
    opening_.reset();
    opening_deadline_.clear();
  }
  if (current_ == id) current_.reset();
  reopen_.set(kReopenDelay);
}

void Listen::on_opening_unanswered() {
  parts_.log.warning("server.listen-unanswered", {{"server", parts_.server}});
  close(opening_);
  reopen_.set(kReopenDelay);
}

}  // namespace clawql::engine::upstream

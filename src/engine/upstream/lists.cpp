#include "engine/upstream/lists.hpp"

#include <algorithm>
#include <chrono>

#include "engine/upstream/list_shapes.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::int64_t kMethodNotFound = -32601;

}  // namespace

base::Milliseconds call_limit(const ipc::ServerSettings& settings, const base::Limits& limits) {
  return std::chrono::seconds(settings.call_seconds != 0 ? settings.call_seconds : limits.call_seconds);
}

Lists::Lists(Parts parts, const Features& features)
    : parts_(parts),
      answer_(parts.loop, [this] { on_unanswered(); }),
      others_(parts.loop, [this] { end_first_round(); }),
      refetch_(parts.loop, [this] { fetch_due(); }) {
  list(ListKind::tools).served = features.tools;
  list(ListKind::resources).served = list(ListKind::templates).served = features.resources;
  list(ListKind::prompts).served = features.prompts;
}

void Lists::begin() {
  for (const ListKind kind : kAllLists)
    if (list(kind).served) fetch(kind);
  settle();
}

bool Lists::is_fetching() const {
  return std::ranges::any_of(lists_, [](const List& each) { return each.collector.has_value(); });
}

// ---- fetching

void Lists::fetch(ListKind kind) {
  List& target = list(kind);
  const auto allowed = kind == ListKind::tools ? parts_.settings.tools : std::nullopt;
  target.collector.emplace(kind, allowed, parts_.limits.items_server);
  target.due = false;
  target.last_fetch = parts_.loop.now();
  answer_.set(call_limit(parts_.settings, parts_.limits));
  ask_page(kind, {});
}

void Lists::ask_page(ListKind kind, const std::string& members) {
  list(kind).request = parts_.own.ask(shape_of(kind).method, members,
                                      [this, kind](const OwnRequests::Answer& answer) { on_page(kind, answer); });
}

void Lists::on_page(ListKind kind, const OwnRequests::Answer& answer) {
  if (!answer.result) return give_up(kind, answer, answer.why());
  const auto next = list(kind).collector->add_page(answer.result);
  if (!next) return give_up(kind, answer, next.error().message);
  if (*next) return ask_page(kind, R"("cursor":)" + **next);
  finish(kind);
}

void Lists::finish(ListKind kind) {
  ItemCollector collector = *std::exchange(list(kind).collector, std::nullopt);
  report_faults(shape_of(kind), collector);
  const Freshness freshness = collector.freshness();
  parts_.handler.on_list(kind, std::make_shared<const ItemList>(collector.take()), freshness);
  settle();
}

void Lists::report_faults(const ListShape& shape, const ItemCollector& collector) {
  if (collector.invalid() > 0)
    parts_.log.warning("server.items-dropped", {{"server", parts_.settings.name},
                                                {"list", shape.method},
                                                {"count", std::uint64_t{collector.invalid()}},
                                                {"first", collector.example()}});
  if (!collector.fault().empty())
    parts_.log.warning("server.list-cut", {{"server", parts_.settings.name}, {"why", collector.fault()}});
}

void Lists::give_up(ListKind kind, const OwnRequests::Answer& answer, const std::string& why) {
  list(kind).collector.reset();
  if (first_round_ && kind == ListKind::tools) return parts_.handler.on_no_tools(why);
  // Many servers with resources know no templates, and are right to say so.
  if (kind != ListKind::templates || !answer.is_error(kMethodNotFound))
    parts_.log.warning("server.list-refused",
                       {{"server", parts_.settings.name}, {"list", shape_of(kind).method}, {"why", why}});
  settle();
}

void Lists::on_unanswered() {
  for (const ListKind kind : kAllLists) {
    if (!list(kind).collector) continue;
    parts_.log.warning("server.list-unanswered", {{"server", parts_.settings.name}, {"list", shape_of(kind).method}});
    parts_.own.forget(list(kind).request);
    list(kind).collector.reset();
  }
  settle();
}

// ---- the first round

void Lists::settle() {
  if (!is_fetching()) {
    answer_.clear();
    return end_first_round();
  }
  if (first_round_ && !list(ListKind::tools).collector && !others_.is_set()) others_.set(kOthersPatience);
}

void Lists::end_first_round() {
  others_.clear();
  if (std::exchange(first_round_, false)) parts_.handler.on_lists_complete();
}

// ---- later

void Lists::changed(ListKind kind) {
  if (!list(kind).served) return;
  list(kind).due = true;
  fetch_due();
}

void Lists::fetch_due() {
  bool later = false;
  for (const ListKind kind : kAllLists) {
    List& target = list(kind);
    if (!target.due) continue;
    const bool must_wait = first_round_ || target.collector || parts_.loop.now() - target.last_fetch < kRefetchInterval;
    if (must_wait)
      later = true;
    else
      fetch(kind);
  }
  if (later && !refetch_.is_set()) refetch_.set(kRefetchInterval);
}

}  // namespace clawql::engine::upstream

#include "engine/line/supervisor_link.hpp"

namespace clawql::engine::line {
namespace {

constexpr base::Milliseconds kPatience{15'000};

}  // namespace

std::uint64_t AdminDesk::ask(std::string_view operation, std::string_view argument, AdminSink& sink) {
  const std::uint64_t token = ++tokens_;
  auto open = std::make_unique<Open>(sink, loop_, [this, token] {
    const auto found = open_.find(token);
    if (found == open_.end()) return;
    AdminSink& silent = found->second->sink;
    open_.erase(found);
    silent.on_admin_silence();
  });
  open->patience.set(kPatience);
  open_.emplace(token, std::move(open));
  supervisor_.admin({.token = token, .operation = std::string(operation), .argument = std::string(argument)});
  return token;
}

void AdminDesk::answer(const ipc::AdminAnswer& answer) {
  const auto found = open_.find(answer.token);
  if (found == open_.end()) return;  // whom it was for has gone
  AdminSink& sink = found->second->sink;
  open_.erase(found);
  sink.on_admin_answer(answer);
}

}  // namespace clawql::engine::line

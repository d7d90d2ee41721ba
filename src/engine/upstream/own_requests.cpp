#include "engine/upstream/own_requests.hpp"

#include <algorithm>

#include "engine/upstream/one_line.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::size_t kShownBytes = 128;

}  // namespace

std::string shown(json::Value text) {
  return text.string().value_or("").substr(0, kShownBytes);
}

std::string OwnRequests::Answer::why() const {
  if (!fault.empty()) return std::string(fault);
  return "error " + std::string(error.find("code").raw()) + ": " + shown(error.find("message"));
}

void OwnRequests::detach() {
  process_ = nullptr;
  requests_.clear();
  claim_.reset();
}

std::uint64_t OwnRequests::ask(std::string_view method, std::string_view members, OnAnswer on_answer) {
  return add(false, method, members, std::move(on_answer));
}

std::uint64_t OwnRequests::ask_standing(std::string_view method, std::string_view members, OnAnswer on_answer) {
  return add(true, method, members, std::move(on_answer));
}

std::uint64_t OwnRequests::add(bool stands, std::string_view method, std::string_view members, OnAnswer on_answer) {
  const std::uint64_t id = next_id_++;
  requests_.push_back({id, stands, std::move(on_answer)});
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(id);
  line.append(R"(,"method":")").append(method).append(R"(","params":{)").append(members);
  if (claim_) line.append(members.empty() ? "" : ",").append(R"("_meta":)").append(claim_->meta());
  line += "}}";
  join_lines(line, 0);
  line += '\n';
  process_->write(line);
  return id;
}

void OwnRequests::tell(std::string_view method, std::string_view members) {
  std::string line = R"({"jsonrpc":"2.0","method":")" + std::string(method) + "\"";
  if (!members.empty()) line.append(R"(,"params":{)").append(members).append("}");
  line += "}\n";
  process_->write(line);
}

void OwnRequests::forget(std::uint64_t id) {
  std::erase_if(requests_, [id](const Request& request) { return request.id == id; });
}

bool OwnRequests::take(std::uint64_t id, const json::Document& document, const ServerMessage& message) {
  const auto found = std::ranges::find(requests_, id, &Request::id);
  if (found == requests_.end()) return false;
  OnAnswer on_answer = std::move(found->on_answer);
  requests_.erase(found);
  const json::Value root = document.root();
  const bool sound = message.fault.empty();
  on_answer(
      {id, sound ? root.find("result") : json::Value(), sound ? root.find("error") : json::Value(), message.fault});
  return true;
}

bool OwnRequests::awaits_answer() const {
  return std::ranges::any_of(requests_, [](const Request& request) { return !request.stands; });
}

}  // namespace clawql::engine::upstream

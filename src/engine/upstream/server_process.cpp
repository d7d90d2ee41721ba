#include "engine/upstream/server_process.hpp"

namespace clawql::engine::upstream {
namespace {

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

ServerProcess::ServerProcess(io::Loop& loop, Pipes pipes, const base::Limits& limits, base::Milliseconds stall,
                             Handler& handler)
    : handler_(handler),
      incarnation_(pipes.incarnation),
      parse_limits_{.bytes = limits.server_message, .depth = limits.json_depth},
      stall_limit_(stall),
      alive_(std::make_shared<bool>(true)),
      lines_(limits.server_message),
      stall_(loop, [this] { look_at_stall(); }),
      input_(*this, loop, std::move(pipes.to_server)),
      output_(*this, loop, std::move(pipes.from_server)),
      errors_(*this, loop, std::move(pipes.errors)) {
  output_.stream.resume();
  errors_.stream.resume();
}

ServerProcess::~ServerProcess() {
  *alive_ = false;
}

void ServerProcess::Input::on_failed(Error) {
  closed = true;
  process.stall_.clear();
  process.handler_.on_input_closed();
}

void ServerProcess::Output::on_end() {
  closed = true;
  process.handler_.on_output_closed();
}

void ServerProcess::Errors::on_end() {
  closed = true;
  process.handler_.on_errors_closed();
}

void ServerProcess::written(std::size_t bytes) {
  total_ += bytes;
  if (!stall_.is_set()) {
    left_before_ = total_ - pending();
    stall_.set(stall_limit_);
  }
  input_.stream->flush_soon();
}

void ServerProcess::write(std::string_view lines) {
  if (input_.closed) return;
  out().append(lines);
  written(lines.size());
}

void ServerProcess::close_input() {
  input_.closed = true;
  input_.stream.reset();
  stall_.clear();
}

void ServerProcess::look_at_stall() {
  if (pending() == 0) return;
  const std::uint64_t left = total_ - pending();
  if (left == left_before_) {
    misconduct("it has not read its stdin for " + std::to_string(stall_limit_.count() / 1000) + " s");
    return;
  }
  left_before_ = left;
  stall_.set(stall_limit_);
}

void ServerProcess::misconduct(const std::string& why) {
  ended_ = true;
  output_.stream.pause();
  stall_.clear();
  handler_.on_misconduct(why);
}

void ServerProcess::take_output(std::string_view bytes) {
  if (ended_) return;
  const auto alive = alive_;
  lines_.feed(bytes);
  while (const auto line = lines_.next()) {
    take_line(*line);
    if (!*alive || ended_) return;
  }
  if (lines_.too_long())
    misconduct("it wrote a line longer than " + std::to_string(parse_limits_.bytes) + " bytes (limits.serverMessage)");
}

void ServerProcess::take_line(std::string_view line) {
  if (is_blank(line)) return;
  const auto document = json::Document::parse(line, parse_limits_);
  if (!document) return take_garbage(document.error().why, line);
  if (batches_ && document->root().is(json::Kind::array)) return take_batch(*document);
  const ServerMessage message = classify(*document);
  if (message.kind == ServerMessage::Kind::nothing) return take_garbage(message.fault, line);
  garbage_in_a_row_ = 0;
  handler_.on_message(*document, message);
}

// Revision 2025-03-26 alone has them (basic/index, Batching). Each element becomes a message of its own.
void ServerProcess::take_batch(const json::Document& document) {
  const json::Value batch = document.root();
  if (batch.size() == 0 || batch.size() > kBatchMessages)
    return take_garbage("an empty or very large batch", document.text());
  const auto alive = alive_;
  for (const json::Value element : batch.elements()) {
    if (element.is(json::Kind::array))
      take_garbage("a batch within a batch", element.raw());
    else
      take_line(element.raw());
    if (!*alive || ended_) return;
  }
}

void ServerProcess::take_garbage(std::string_view why, std::string_view line) {
  if (++garbage_in_a_row_ > kGarbageInARow)
    return misconduct("it wrote " + std::to_string(kGarbageInARow) + " lines in a row that are no JSON-RPC messages");
  handler_.on_garbage(why, line);
}

}  // namespace clawql::engine::upstream

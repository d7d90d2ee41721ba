// Answers as bytes, straight into a stream's outgoing buffer: the engine's, and the door's own (refusals, health,
// preflight).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "door/preflight.hpp"
#include "door/refused.hpp"
#include "door/surroundings.hpp"
#include "http/request.hpp"
#include "ipc/messages.hpp"

namespace clawql::door {

// What of an answer depends on its request.
struct AnswerContext {
  std::string_view listed_origin;  // gets CORS fields when not empty
  bool close = false;              // adds `Connection: close`
  bool is_head = false;            // a HEAD request: the fields alone
};

// The engine's head. Returns whether the body goes in chunks.
bool append_engine_head(std::string& out, Surroundings& surroundings, const ipc::Head& head,
                        const AnswerContext& context);
void append_refusal(std::string& out, Surroundings& surroundings, const Refused& refused, const AnswerContext& context);
void append_health(std::string& out, Surroundings& surroundings, const AnswerContext& context);
void append_preflight(std::string& out, Surroundings& surroundings, const PreflightAnswer& answer,
                      const AnswerContext& context);

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace clawql::door

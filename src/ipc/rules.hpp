// Which frame is allowed in which state of a stream: the one table that both ends obey.
#pragma once

#include <cstdint>

#include "ipc/messages.hpp"

namespace clawql::ipc {

enum class Verdict : std::uint8_t {
  bad,  // the other end broke the protocol: the channel ends
  ok,
  ignore,  // it crossed something of ours on its way: dropped
  close,   // the last thing that was missing: the stream is idle again
};

// A stream as the engine's end sees it.
enum class EngineState : std::uint8_t {
  idle,      // no request
  asking,    // the request is still coming
  asked,     // the request is complete, the answer is not
  answered,  // the answer is complete, the request is not
};

constexpr Verdict engine_may_receive(Kind kind, EngineState state) {
  using enum Verdict;
  struct Row {
    Kind kind;
    Verdict idle, asking, asked, answered;
  };
  constexpr Row kRows[] = {
      {Kind::open, ok, bad, bad, bad},
      {Kind::body, bad, ok, bad, ignore},
      {Kind::end, bad, ok, bad, close},
      {Kind::cancel, ignore, ok, ok, close},  // idle: our answer and its cancel crossed
      {Kind::credit, ignore, ok, ok, ignore},
      {Kind::half_closed, ignore, bad, ok, bad},
  };
  for (const Row& row : kRows) {
    if (row.kind != kind) continue;
    switch (state) {
      case EngineState::idle: return row.idle;
      case EngineState::asking: return row.asking;
      case EngineState::asked: return row.asked;
      case EngineState::answered: return row.answered;
    }
  }
  return bad;
}

// A stream as the door's end sees it.
enum class DoorState : std::uint8_t {
  idle,
  waiting,    // no head yet
  answering,  // the head came
  answered,   // the answer is complete, our request is not: end() or cancel() is still due
  cancelled,  // we cancelled: what comes is dropped until end or reset
};

constexpr Verdict door_may_receive(Kind kind, DoorState state) {
  using enum Verdict;
  struct Row {
    Kind kind;
    Verdict idle, waiting, answering, answered, cancelled;
  };
  constexpr Row kRows[] = {
      {Kind::head, bad, ok, bad, bad, ignore},  {Kind::data, bad, bad, ok, bad, ignore},
      {Kind::end, bad, bad, ok, bad, close},    {Kind::reset, bad, ok, ok, bad, close},
      {Kind::credit, bad, ok, ok, bad, ignore},
  };
  for (const Row& row : kRows) {
    if (row.kind != kind) continue;
    switch (state) {
      case DoorState::idle: return row.idle;
      case DoorState::waiting: return row.waiting;
      case DoorState::answering: return row.answering;
      case DoorState::answered: return row.answered;
      case DoorState::cancelled: return row.cancelled;
    }
  }
  return bad;
}

}  // namespace clawql::ipc

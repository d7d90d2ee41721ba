// What `clawql ports watch` tells, and to whom.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/findings.hpp"
#include "exposure/ports/trace.hpp"
#include "webhook.hpp"

namespace clawql::cli {

struct Event {
  std::string json;    // one object, without a line end
  std::string human;   // one line, without a line end
  bool alarm = false;  // drift that appeared or went: the command and the webhook are told
};

std::string utc_now();
Event listen_event(const exposure::ports::ListenEvent& seen, bool declared);
Event drift_event(const exposure::ports::Finding& finding, bool appeared);
Event trouble_event(const std::string& text);
// The first audit is done, and what happens from now on is told.
Event watching_event(bool traced);

struct Recipients {
  bool json = false;
  std::string command;       // a shell command that gets the event as JSON on its standard input
  Webhook webhook;           // no URL: none
  std::string metrics_file;  // in the form of Prometheus, for node_exporter's textfile collector
};
Status check(const Recipients& recipients);
// Prints it, and tells the others of an alarm. What could not be told is complained about; returns how many did not
// hear of it.
std::size_t tell(const Event& event, const Recipients& recipients);

struct Metrics {
  std::map<std::string, std::size_t> findings;  // present, by id
  std::uint64_t listens = 0;                    // listeners that began to listen
  std::uint64_t undeclared = 0;                 // those of them in no declared place
  std::uint64_t untold = 0;                     // alarms that a recipient did not take
  std::uint64_t lost = 0;                       // events that the kernel could not keep
};
void write_metrics(const Metrics& metrics, const std::string& path);

}  // namespace clawql::cli

// Writing the expected state from what was seen.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <map>
#include <set>

#include "exposure/ports/compare.hpp"
#include "exposure/ports/expected.hpp"
#include "exposure/ports/text.hpp"
#include "json/writer.hpp"

namespace clawql::exposure::ports {
namespace {

std::string user_text(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return json::quoted(user != nullptr ? user->pw_name : std::to_string(uid));
}

std::string group_text(gid_t gid) {
  const group* entry = ::getgrgid(gid);
  return json::quoted(entry != nullptr ? entry->gr_name : std::to_string(gid));
}

// Sockets in one place (SO_REUSEPORT) are one entry.
struct Entry {
  const Listener* listener;
  std::set<std::string> executables;
};

std::string line(const Entry& entry) {
  const Listener& listener = *entry.listener;
  const Place& place = listener.place;
  std::string out = "  - {";
  if (!place.space.empty()) out += "namespace: " + json::quoted(place.space) + ", ";
  out += fmt::format("protocol: {}", name_of(place.protocol));
  if (is_unix(place.protocol)) {
    out += ", path: " + json::quoted(place.path);
    if (listener.file && listener.file->same)
      out += fmt::format(", mode: \"{:04o}\", owner: {}, group: {}", listener.file->mode,
                         user_text(listener.file->owner), group_text(listener.file->group));
  } else {
    out += fmt::format(", address: \"{}\", port: {}", place.address, place.port);
    if (!place.device.empty()) out += ", device: " + json::quoted(place.device);
    if (place.address == "::") out += place.v6only ? ", v6only: true" : ", v6only: false";
  }
  out += ", user: " + user_text(listener.uid);
  if (entry.executables.size() == 1) out += ", executable: " + json::quoted(*entry.executables.begin());
  if (entry.executables.size() > 1) {
    std::string list;
    for (const std::string& executable : entry.executables)
      list += (list.empty() ? "" : ", ") + json::quoted(executable);
    out += ", executable: [" + list + "]";
  }
  return out + "}\n";
}

}  // namespace

std::string write_expected(const Survey& survey) {
  std::map<std::string, Entry> entries;
  for (const Listener& listener : survey.listeners) {
    Entry& entry = entries[listener.place.text()];
    if (entry.listener == nullptr) entry.listener = &listener;
    for (const Owner& owner : listener.owners)
      if (!owner.executable.empty()) entry.executables.insert(printable_bytes(owner.executable));
  }
  // What a comparison with these very entries still finds are ways around them.
  ExpectedState state;
  for (const auto& [name, entry] : entries) {
    ExpectedListener listener;
    listener.place = entry.listener->place;
    state.listeners.push_back(std::move(listener));
  }
  std::string accepted;
  for (const Finding& finding : compare(state, survey)) {
    const FindingKind& kind = kind_of(finding.id);
    if (kind.could_not_tell || std::ranges::find(survey.ways, finding.subject, &Finding::subject) == survey.ways.end())
      continue;
    accepted += "  - {finding: " + std::string(kind.name) + ", subject: " + json::quoted(finding.subject) +
                ", reason: \"found by clawql ports declare: say why, or remove it\"}\n";
  }
  std::string out =
      "# What may listen on this host, as it was when this file was written: read every line before you keep it.\n"
      "# `clawql ports audit --expected FILE` compares; keep the file in git. Entries may add `sources` and "
      "`comment`.\n"
      "version: 1\n";
  out += entries.empty() ? "listeners: []\n" : "listeners:\n";
  for (const auto& [name, entry] : entries) out += line(entry);
  if (!accepted.empty()) out += "# Ways around a listener that are known and meant.\naccepted:\n" + accepted;
  return out;
}

}  // namespace clawql::exposure::ports

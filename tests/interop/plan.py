"""What is tried of each server: for every feature the names, arguments and expected answer. A driver gets a list of these."""
import secrets

FEATURES = ("tools", "resources", "prompts", "sampling", "elicitation", "roots", "progress", "cancellation", "subscriptions", "logging", "completion")


def of_own_server(server, prefix):
    """The servers of `servers/` and `go/server`, whose names are all alike. `prefix` stands before tools and prompts."""
    mark = "m" + secrets.token_hex(4)  # some clients would take digits for a number
    note, item = f"interop://{server}/note", f"interop://{server}/item/"
    return {
        "tools": {"tool": f"{prefix}echo", "arguments": {"message": mark}, "expect": mark},
        "resources": {"uri": note, "expect": f"note of {server}", "template": item + "{id}", "item": item + mark, "itemExpect": f"item {mark} of {server}"},
        "prompts": {"prompt": f"{prefix}greet", "arguments": {"who": mark}, "expect": f"Greet {mark} from {server}"},
        "sampling": {"tool": f"{prefix}ask_sampling", "expect": "sampled: answered by the client"},
        "elicitation": {"tool": f"{prefix}ask_elicitation", "expect": "accept: Ada"},
        "roots": {"tool": f"{prefix}ask_roots", "expect": "roots: file:///interop/root"},
        "progress": {"tool": f"{prefix}count", "least": 3, "expect": "counted"},
        "cancellation": {"tool": f"{prefix}wait", "arguments": {"mark": mark},
                         "observe": {"tool": f"{prefix}was_cancelled", "arguments": {"mark": mark}, "expect": "yes"}},
        "subscriptions": {"uri": note, "tool": f"{prefix}touch", "expect": "touched", "patience": 6},
        "logging": {"level": "debug", "tool": f"{prefix}log", "expect": f"logged by {server}"},
        "completion": {"ref": {"type": "ref/prompt", "name": f"{prefix}greet"}, "argument": {"name": "who", "value": "Al"}, "expect": "Alan"},
    }


def of_everything(prefix):
    """server-everything of npm. What it starts by a toggle is stopped by the same toggle, so that nothing runs on."""
    mark = "m" + secrets.token_hex(4)  # some clients would take digits for a number
    document, text = "demo://resource/static/document/features.md", "demo://resource/dynamic/text/"
    long_call = f"{prefix}trigger-long-running-operation"
    return {
        "tools": {"tool": f"{prefix}echo", "arguments": {"message": mark}, "expect": mark},
        "resources": {"uri": document, "expect": "Everything", "template": text + "{resourceId}", "item": text + "7", "itemExpect": "Resource 7"},
        "prompts": {"prompt": f"{prefix}args-prompt", "arguments": {"city": mark}, "expect": mark},
        "sampling": {"tool": f"{prefix}trigger-sampling-request", "arguments": {"prompt": "hello"}, "expect": "answered by the client"},
        "elicitation": {"tool": f"{prefix}trigger-elicitation-request", "expect": "Name: Ada"},
        "roots": {"tool": f"{prefix}get-roots-list", "expect": "file:///interop/root"},
        # The last of four comes in one piece with the answer, and clients of the TypeScript SDK drop it then.
        "progress": {"tool": long_call, "arguments": {"duration": 1.2, "steps": 4}, "least": 3},
        "cancellation": {"tool": long_call, "arguments": {"duration": 15, "steps": 150},
                         "afterwards": {"tool": f"{prefix}echo", "arguments": {"message": "still here"}, "expect": "still here"}},
        # Updates come every five seconds; the first at once, so that it is missed where the subscription is still on its way.
        "subscriptions": {"uri": document, "tool": f"{prefix}toggle-subscriber-updates", "expect": "Started", "patience": 15,
                          "afterwards": {"tool": f"{prefix}toggle-subscriber-updates", "expect": "Stopped"}},
        "logging": {"level": "debug", "tool": f"{prefix}toggle-simulated-logging", "expect": "message",
                    "afterwards": {"tool": f"{prefix}toggle-simulated-logging", "expect": "Stopped"}},
        "completion": {"ref": {"type": "ref/prompt", "name": f"{prefix}completable-prompt"}, "argument": {"name": "department", "value": "Eng"},
                       "expect": "Engineering"},
    }


def plan(server, prefix=""):
    checks = of_everything(prefix) if server == "everything" else of_own_server(server, prefix)
    return [{"server": server, "feature": feature, **checks[feature]} for feature in FEATURES]

"""Guards on an agent's behaviour: pure functions over what it said and got."""

from __future__ import annotations

import json
from collections.abc import Sequence

from swarm.agents.tools import FINISH, TOOL_NAMES
from swarm.domain.conversation import ToolCall

REPEATS_POINTED_OUT = 3
REPEATS_STOPPED = 6
TURNS_LEFT_TOLD = 5


def turn_signature(calls: Sequence[ToolCall], results: Sequence[str]) -> str:
    """What a turn asked and got, as text: two equal signatures in a row are a repetition."""
    return json.dumps([[c.name, c.arguments] for c in calls] + list(results), ensure_ascii=False)


def repetitions(signatures: Sequence[str]) -> int:
    """How many times in a row the last turn has been made."""
    count = 0
    for signature in reversed(signatures):
        if signature != signatures[-1]:
            break
        count += 1
    return count


def unknown_tool(call: ToolCall) -> str:
    """An error text for a tool that does not exist; empty when it does."""
    if call.name in TOOL_NAMES:
        return ""
    return f"There is no tool named {call.name!r}. Tools: {', '.join(sorted(TOOL_NAMES))}."


def bounded(call: ToolCall, seconds: int) -> ToolCall:
    """A `run` call with the time limit of the settings, where the agent named none; any other call as it is."""
    if call.name != "run":
        return call
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return call
    if not isinstance(arguments, dict) or arguments.get("timeout") is not None:
        return call
    return call.model_copy(update={"arguments": json.dumps({**arguments, "timeout": seconds})})


def finish_report(call: ToolCall) -> tuple[str, str]:
    """(report, error) of a finish call: malformed arguments get an error that teaches the right form."""
    form = f'Call {FINISH} with {{"report": "what was built, decisions, open points"}}.'
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        return "", f"The arguments of {FINISH} are not valid JSON ({error}). {form}"
    if not isinstance(arguments, dict) or not isinstance(arguments.get("report", ""), str):
        return "", f"The arguments of {FINISH} must be an object with a text `report`. {form}"
    return str(arguments.get("report", "")), ""


NO_TOOL_CALL = (
    "Your answer called no tool, so nothing happened. Go on with tool calls; call `finish` with a report when the "
    "work is done."
)
NOTHING_CHANGED = (
    "Not finished: no file of the work tree has changed, so there is nothing to merge. Write the files that the task "
    "asks for, then call `finish` again. Describing the work is not doing it."
)
REPEATED = (
    "Note: you made exactly this call {count} times in a row with the same result. Repeating it will not change "
    "anything; try something else, or call `finish`."
)
TURNS_LEFT = (
    "Note: {count} turns are left. Bring the work to a state that passes its checks and call `finish`."
)
HELD_BACK = (
    "Not finished yet: a command of this turn ended with exit code {code}. Look at its output; mend what is wrong, or "
    "call `finish` again if the work is right as it is."
)
REFUSED = "Note: your work tree can't be taken as it is: {reason} Mend that; nothing since then is safe until you do."
CUT_OFF = (
    "Your answer was cut off at the output limit before it was complete. Write large files in several calls."
)

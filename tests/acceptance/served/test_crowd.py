"""Many people decide the same thing at once, from many processes."""

import json
import subprocess
import sys
from collections import Counter

from tests.support.place import Place
from tests.support.waiting import DEADLINE_S

PROCESSES = 8
PEOPLE = 50

APPROVE = """
import json, sys, threading, urllib.error, urllib.request

url, deadline_s, *people = sys.argv[1:]
start = threading.Barrier(len(people))
answers = []

def approve(who):
    request = urllib.request.Request(url + "/approve/approval", json.dumps({"decidedBy": who}).encode())
    start.wait()
    try:
        with urllib.request.urlopen(request, timeout=float(deadline_s)) as answer:
            answers.append([answer.status, who, None])
    except urllib.error.HTTPError as error:
        answers.append([error.code, who, json.loads(error.read())["error"]])

threads = [threading.Thread(target=approve, args=(who,)) for who in people]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(answers))
"""


def test_of_fifty_approvals_at_once_one_is_applied_and_the_others_hear_whose(place: Place) -> None:
    place.write("""
        @workflow
        def waiting(ctx):
            return Sequence(Approval("approval", title="Go?"), Task("last", int))
        """)
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("smithers approve")
    people = [f"person-{number}" for number in range(PEOPLE)]
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", APPROVE, up.url, str(DEADLINE_S), *people[number::PROCESSES]],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    answers = [answer for process in crowd for answer in json.loads(process.communicate(timeout=DEADLINE_S)[0])]
    assert Counter(status for status, _, _ in answers) == {200: 1, 409: PEOPLE - 1}
    winner = next(who for status, who, _ in answers if status == 200)
    up.until_text("Run finished")
    approval = place.state("r").nodes["approval", 0].approval
    assert approval is not None
    assert approval.decision is not None
    assert approval.decision.decided_by == winner
    assert place.types("r").count("ApprovalGranted") == 1
    for status, _, error in answers:
        assert status == 200 or (error["code"], error["details"]["decidedBy"]) == ("APPROVAL_ALREADY_DECIDED", winner)

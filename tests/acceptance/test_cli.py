"""The command line as a user meets it: real processes, real files, exit codes, what is said."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
WORKER, FACTS, DB = (f"catfacts/deploy/{name}" for name in ("worker", "facts", "db"))

BROKEN = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: broken
  namespace: shop
spec:
  ingress:
    - action: allow
      destination: {ports: ["8100:8000"]}
      protocol: TCP
    - action: Deny
      source: {selector: a = b}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: fine}
"""


def ocicat(*arguments, stdin=None, name="ocicat"):
    command = shutil.which(name, path=str(Path(sys.executable).parent))
    assert command is not None
    return subprocess.run(
        [command, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def trace(*arguments):
    return ocicat("trace", "-f", MANIFESTS, *arguments)


# --- validate -----------------------------------------------------------------------------------------------


def test_the_course_manifests_are_valid():
    done = ocicat("validate", "-f", MANIFESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("valid, no problems")


def test_every_problem_comes_at_once_with_line_and_fix():
    done = ocicat("validate", "-f", "-", stdin=BROKEN)
    assert done.returncode == 1
    assert "-:8:15 NetworkPolicy shop/broken spec.ingress[0].action" in done.stdout
    assert "-:9:29 NetworkPolicy shop/broken spec.ingress[0].destination.ports[0]" in done.stdout
    assert "fix: write 8000:8100" in done.stdout
    assert "spec.ingress[1].source.selector" in done.stdout
    assert "(column 3)" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 object valid, 3 errors"


def test_problems_as_json():
    done = ocicat("validate", "-f", "-", "-o", "json", stdin=BROKEN)
    answer = json.loads(done.stdout)
    assert answer["objects"] == 1
    assert {problem["code"] for problem in answer["problems"]} == {"NP0118", "NP0107", "NP0131"}
    assert all(problem["where"]["line"] > 0 for problem in answer["problems"])


def test_warnings_are_findings_only_when_strict():
    text = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: t}\nspec: {ordr: 5}\n"
    assert ocicat("validate", "-f", "-", stdin=text).returncode == 0
    strict = ocicat("validate", "--strict", "-f", "-", stdin=text)
    assert strict.returncode == 1
    assert 'write "order"' in strict.stdout


def test_a_path_that_is_not_there_is_an_error():
    done = ocicat("validate", "-f", "no-such-file.yaml")
    assert done.returncode == 1
    assert "no such file" in done.stdout


# --- trace --------------------------------------------------------------------------------------------------


def test_a_denied_connection_names_the_rule_and_its_line():
    done = trace("--from", WORKER, "--to", FACTS, "--protocol", "TCP", "--port", 80)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last == (
        "Denied at the ingress of catfacts/deploy/facts: rule 1 (index 0) of CalicoNetworkPolicy "
        "catfacts/facts in tier application-catfacts denies it."
    )
    assert "catfacts-nwp.yaml:36:7" in done.stdout


def test_an_allowed_connection():
    done = trace("--from", WORKER, "--to", DB, "--port", 3306)
    assert done.returncode == 0
    assert "Allow TCP from" in done.stdout


def test_the_answer_as_json_has_the_hits_of_the_course():
    """Workshop, module 3, step 10."""
    done = trace("--from", WORKER, "--to", FACTS, "--port", 80, "-o", "json")
    answer = json.loads(done.stdout)
    assert answer["allowed"] is False
    assert answer["src"]["action"] == "Allow"
    assert answer["dst"]["action"] == "Deny"
    assert answer["dst"]["enforced"] == [
        {
            "kind": "CalicoNetworkPolicy",
            "name": "facts",
            "namespace": "catfacts",
            "tier": "application-catfacts",
            "action": "Deny",
            "policy_index": 0,
            "rule_index": 0,
            "trigger": None,
        }
    ]


def test_an_end_of_tier_names_its_trigger():
    done = trace("--from", "203.0.113.9", "--to", DB, "--port", 3306, "-o", "json")
    [hit] = json.loads(done.stdout)["dst"]["enforced"]
    assert (hit["kind"], hit["action"], hit["rule_index"]) == ("EndOfTier", "Deny", -1)
    assert hit["trigger"]["name"] == "db"


def test_policies_from_standard_input_beside_files():
    staged = """
    apiVersion: projectcalico.org/v3
    kind: StagedNetworkPolicy
    metadata: {name: application-catfacts.later, namespace: catfacts}
    spec: {tier: application-catfacts, order: 1, selector: app == 'db', ingress: [{action: Deny}]}
    """
    done = ocicat(
        "trace", "-f", MANIFESTS, "-f", "-", "--from", WORKER, "--to", DB, "--port", 3306, stdin=staged
    )
    assert done.returncode == 0
    assert (
        "with staged policies enforced: rule 1 (index 0) of StagedNetworkPolicy catfacts/later" in done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "catfacts/deploy/workr", "--to", DB, "--port", 1), 3, "catfacts/deployment/worker"),
        (("--from", WORKER, "--to", "nobody", "--port", 1), 3, "there is no pod default/nobody"),
        (("--from", WORKER, "--to", "a/thing/b", "--port", 1), 3, "'thing' is no kind of workload"),
        (("--from", WORKER, "--to", DB), 2, "need a port"),
        (("--from", WORKER, "--to", DB, "--port", "mysq"), 2, "declares no port 'mysq'"),
        (("--from", WORKER, "--to", DB, "--protocol", "TPC"), 2, "'TPC' is no protocol"),
        (("--from", WORKER, "--to", "2001:db8::1", "--port", 1), 2, "no address family in common"),
        (("--from", WORKER), 2, "Missing option '--to'"),
    ],
)
def test_what_is_wrong_is_said_on_standard_error(arguments, code, said):
    done = trace(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- selector, completion, help -----------------------------------------------------------------------------


def test_selector():
    done = ocicat("selector", "app in {'web', 'db'} && !has(x)", "app=db")
    assert done.returncode == 0
    assert 'canonical: (app in {"db", "web"} && !has(x))' in done.stdout
    assert "matches:   yes" in done.stdout
    assert ocicat("selector", "app == 'web'", "app=db").returncode == 1
    assert ocicat("selector", "!has(app)", "--no-labels").returncode == 0


def test_a_broken_selector_is_pointed_at():
    done = ocicat("selector", "app = 'web'")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == ["app = 'web'", "    ^"]
    answer = json.loads(ocicat("selector", "app = 'web'", "-o", "json").stdout)
    assert answer == {"valid": False, "error": "expected ==", "column": 5}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    done = ocicat("completion", shell)
    assert done.returncode == 0
    assert "_OCICAT_COMPLETE" in done.stdout


def test_bash_completes_commands():
    environment = {"_OCICAT_COMPLETE": "bash_complete", "COMP_WORDS": "ocicat tr", "COMP_CWORD": "1"}
    command = shutil.which("ocicat", path=str(Path(sys.executable).parent))
    done = subprocess.run([command], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "trace" in done.stdout


def test_it_is_a_plugin_of_kubectl():
    done = ocicat("--help", name="kubectl-ocicat")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: kubectl ocicat")


def test_help_imports_nothing_heavy():
    """Budget of design/dependencies: `--help` waits for neither NumPy nor DuckDB nor YAML."""
    code = (
        "import sys; sys.argv = ['ocicat', '--help']\n"
        "import atexit\n"
        "atexit.register(lambda: print(sorted({'numpy', 'duckdb', 'yaml'} & set(sys.modules))))\n"
        "from ocicat.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_stops_early_gets_no_traceback():
    command = [sys.executable, "-m", "ocicat", "validate", "-f", str(MANIFESTS), "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=60)
    assert said == b""
    assert process.returncode == 1

"""Settings: flag, then environment, then file, then default."""

import pytest

from ocicat.app.settings import Origin, SettingsError, paths, settled, variable


def written(folder, text):
    (folder / "config.yaml").write_text(text)
    return {"OCICAT_HOME": str(folder)}


def port(found):
    return found.settings.agent.metrics_port, found.origins.get("agent.metrics_port", Origin.DEFAULT)


def test_the_order_of_sources(tmp_path):
    environment = written(tmp_path, "agent:\n  metrics_port: 1\n")
    assert port(settled({}, {"OCICAT_HOME": str(tmp_path / "nowhere")})) == (9091, Origin.DEFAULT)
    assert port(settled({}, environment)) == (1, Origin.FILE)
    environment["OCICAT_AGENT_METRICS_PORT"] = "2"
    assert port(settled({}, environment)) == (2, Origin.ENVIRONMENT)
    assert port(settled({"agent.metrics_port": None}, environment)) == (2, Origin.ENVIRONMENT)
    assert port(settled({"agent.metrics_port": 3}, environment)) == (3, Origin.FLAG)


def test_a_named_file_is_read_and_must_exist(tmp_path):
    named = tmp_path / "other.yaml"
    with pytest.raises(SettingsError, match="no such file"):
        settled({}, {}, named)
    named.write_text("agent: {denial: reject}")
    assert settled({}, {}, named).settings.agent.denial == "reject"


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({}, {"OCICAT_AGENT_METRICS_PORT": "many"}, r"OCICAT_AGENT_METRICS_PORT \('many'\): Expected `int`"),
        ({"agent.metrics_port": 70000}, {}, r"--metrics-port \(70000\): metrics_port must be 0 to 65535"),
        ({"agent.denial": "burn"}, {}, r"--denial \('burn'\): Invalid enum value"),
        ({}, {"OCICAT_AGENT_INTERFACE_PREFIX": ""}, "interface_prefix must have 1 to 14"),
        ({}, {"OCICAT_AGENT_ACCOUNT_FLOWS": "perhaps"}, "OCICAT_AGENT_ACCOUNT_FLOWS"),
        ({}, {"OCICAT_AGENT_POD_NETS": "10.0.0.0/8, x"}, "pod_nets"),
    ],
)
def test_a_wrong_value_is_told_by_the_name_that_the_user_gave_it(tmp_path, flags, environment, message):
    with pytest.raises(SettingsError, match=message):
        settled(flags, {"OCICAT_HOME": str(tmp_path), **environment})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agent: {metricsport: 1}", "there is no setting agent.metricsport"),
        ("agents: 1", "there is no setting agents"),
        ("- 1", "settings are a map"),
        ("agent: {metrics_port: [", "config.yaml"),
        ("agent: {metrics_port: many}", r"agent.metrics_port \('many'\)"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        settled({}, written(tmp_path, text))


def test_an_empty_file_says_nothing(tmp_path):
    assert settled({}, written(tmp_path, "")).origins == {"home": Origin.ENVIRONMENT}


def test_truth_values_of_the_environment():
    found = settled({}, {"OCICAT_AGENT_ACCOUNT_FLOWS": "false"})
    assert found.settings.agent.account_flows is False


def test_networks_are_separated_by_commas():
    found = settled({"agent.pod_nets": "10.0.0.0/8, fd00::/8"}, {})
    assert [str(prefix) for prefix in found.settings.agent.pod_prefixes] == ["10.0.0.0/8", "fd00::/8"]


def test_every_setting_says_what_it_means():
    """Style §8: "a docstring under each attribute"."""
    described = dict(paths())
    assert set(described) > {"home", "agent.kubeconfig", "agent.node", "agent.hub"}
    assert [path for path, meaning in described.items() if len(meaning) < 20] == []


def test_what_config_show_prints(tmp_path):
    explained = {
        item.path: item for item in settled({"agent.node": "n1"}, {"OCICAT_HOME": str(tmp_path)}).explained()
    }
    node, denial = explained["agent.node"], explained["agent.denial"]
    assert (node.value, node.default, node.origin, node.variable) == (
        "n1",
        "",
        Origin.FLAG,
        "OCICAT_AGENT_NODE",
    )
    assert (denial.value, denial.origin) == ("drop", Origin.DEFAULT)
    assert denial.meaning.startswith("`drop` or `reject`.")
    assert variable("home") == "OCICAT_HOME"


def test_the_state_folder_is_below_the_users_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settled({}, {}).settings.folder == tmp_path / ".local" / "state" / "ocicat"

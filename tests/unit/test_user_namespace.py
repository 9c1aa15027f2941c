from __future__ import annotations

from pathlib import Path

import pytest

from lab.host.errors import MachineError
from lab.host.user_namespace import POLICIES, become_root_of_own_user_namespace, forbidding_policy

SETTINGS = {
    "Ubuntu 24.04": {
        "kernel/apparmor_restrict_unprivileged_userns": "1",
        "kernel/unprivileged_userns_clone": "1",
        "user/max_user_namespaces": "15000",
    },
    "Debian, hardened": {"kernel/unprivileged_userns_clone": "0", "user/max_user_namespaces": "15000"},
    "none at all": {"kernel/unprivileged_userns_clone": "0", "user/max_user_namespaces": "0"},
    "Debian 12": {"kernel/unprivileged_userns_clone": "1", "user/max_user_namespaces": "15000"},
    "another kernel": {},
}


@pytest.mark.parametrize(
    ("machine", "sysctl"),
    [
        ("Ubuntu 24.04", "kernel.apparmor_restrict_unprivileged_userns"),
        ("Debian, hardened", "kernel.unprivileged_userns_clone"),
        ("none at all", "user.max_user_namespaces"),
        ("Debian 12", None),
        ("another kernel", None),
    ],
)
def test_the_setting_that_forbids_is_named(tmp_path: Path, machine: str, sysctl: str | None) -> None:
    for name, value in SETTINGS[machine].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    found = forbidding_policy(tmp_path)
    assert (found.sysctl if found else None) == sysctl
    assert found is None or found.allowing_value != found.forbidding_value


@pytest.mark.parametrize("policy", [*POLICIES, None])
def test_reason_and_mend_reach_the_user(monkeypatch: pytest.MonkeyPatch, policy: object) -> None:
    def refuse(_: int) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("lab.host.user_namespace.unshare", refuse)
    monkeypatch.setattr("lab.host.user_namespace.forbidding_policy", lambda: policy)
    with pytest.raises(MachineError) as raised:
        become_root_of_own_user_namespace()
    assert "Operation not permitted" in raised.value.why
    assert raised.value.remedy.startswith("run the lab as root")
    for each in POLICIES:
        assert (f"{each.sysctl} is {each.forbidding_value}" in raised.value.why) == (each is policy)
        assert (f"sysctl -w {each.sysctl}={each.allowing_value}" in raised.value.remedy) == (each is policy)

"""The filter language: what a clause lets through, and where a mistake is. Source: flows-and-console §4.2."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocicat.model.flow import Action, Hit, HitKind, Reporter, Trigger
from ocicat.model.flowfilter import Clause, Filter, FilterError, parse
from ocicat.model.record import FlowCounts, Variant
from support.flowrecords import PLAIN, records
from support.hub import REFUSED, denied_record, flow_record

DB = flow_record("worker", "db").variant
OUT = flow_record("worker", "pub", 443, reporter=Reporter.SRC).variant
DENIED = denied_record(pending=REFUSED).variant


def named(source: str, dest: str) -> Variant:
    """Return a flow between two ends of these names."""
    key = msgspec.structs.replace(DB.key, source_name=source, dest_name=dest)
    return msgspec.structs.replace(DB, key=key)


def holds(text: str, variant: Variant, *literal: str) -> bool:
    return parse(text).matcher(literal.__contains__)(variant)


@pytest.mark.parametrize(
    ("text", "variant", "expected"),
    [
        ("", DB, True),
        # "Between fields AND; inside a field OR."
        ("dest_name=db-7c9d5f-* port=3306", DB, True),
        ("dest_name=db-7c9d5f-* port=80", DB, False),
        ("port=80,3306", DB, True),
        # "Exact: equal. Fuzzy: case-sensitive substring."
        ("dest_name=db", DB, False),
        ("dest_name~db", DB, True),
        ("dest_name~DB", DB, False),
        # "*Fuzzy* matches if the text is a literal substring **or** a glob from the start of the name"
        ("dest_name~db-*", DB, True),
        ("dest_name~7c9d5f-*", DB, True),
        ("dest_name~c9*f", DB, False),
        # "*Exact* with a `*` matches the literal name if any key in history has it, **else** as a glob"
        ("dest_name=db-*", DB, True),
        ("dest_name=*7c9d5f*", DB, True),
        ("dest_name=b-*", DB, False),
        # "stored `pub`/`pvt` can also be asked for as `PUBLIC NETWORK`/`PRIVATE NETWORK`"
        ('dest_name="PUBLIC NETWORK"', OUT, True),
        ("dest_name=pub", OUT, True),
        ("dest_name~NETWORK", OUT, True),
        ("dest_name~PUB", OUT, True),
        ('dest_name="PRIVATE NETWORK"', OUT, False),
        # "Namespaces: cluster-scoped ends are stored as `-`."
        ("dest_namespace=-", OUT, True),
        ("dest_namespace=Global", OUT, True),
        ("source_namespace=cat*", OUT, True),
        # either end
        ("name=pub", OUT, True),
        ("namespace=catfacts", OUT, True),
        ("name=facts-*", OUT, False),
        # "Protocol: lower-case name, e.g. `tcp`. Port: destination port equal."
        ("protocol=tcp", DB, True),
        ("protocol=TCP", DB, True),
        ("protocol=udp", DB, False),
        ("port=3000-4000", DB, True),
        ("port>3306", DB, False),
        ("port>3305", DB, True),
        ("port<3306", DB, False),
        # "actions: the flow's final action." "reporter: equal"
        ("action=Allow", DB, True),
        ("action=Deny", DENIED, True),
        ("reporter=Src", DB, False),
        ("reporter=Src,Dst", DB, True),
        # labels, addresses, service, node
        ("dest_label=app:db", DB, True),
        ("dest_label=app", DB, True),
        ("dest_label=ap", DB, False),
        ("label=app=worker", DB, True),
        ("source_label=app:db", DB, False),
        ("ip=10.65.0.0/24", DB, True),
        ("source_ip=10.65.0.8", DB, False),
        ("dest_ip=10.65.0.8", DB, True),
        ("ip=fd00::/8", DB, False),
        ("service=db", DB, True),
        ("service=catfacts/db", DB, True),
        ("service=shop/db", DB, False),
        ("node=n1", DB, True),
        # negation, free text
        ("!port=3306", DB, False),
        ("!port=80", DB, True),
        ("!dest_name=db-* port=443", OUT, True),
        ("WORKER", DB, True),
        ("default-deny", DB, False),
        ("facts", DENIED, True),
        ("!facts", DENIED, False),
        ('"app=db"', DB, True),
    ],
)
def test_a_clause_lets_through_what_it_says(text: str, variant: Variant, expected: bool) -> None:
    assert holds(text, variant) is expected


def test_a_name_that_literally_has_the_star_wins() -> None:
    """§12: "a group literally named `db-*` beside `db-backup-5f-*`: Exact `db-*` shows only the first"."""
    literal, longer = named("worker", "db-*"), named("worker", "db-backup-5f-*")
    names = ("db-*", "db-backup-5f-*")
    assert holds("dest_name=db-*", literal, *names)
    assert not holds("dest_name=db-*", longer, *names)
    assert holds("dest_name=db-*", longer, "db-backup-5f-*")


NP, GNP = HitKind.CALICO_NETWORK_POLICY, HitKind.GLOBAL_NETWORK_POLICY
STAGED_KIND = HitKind.STAGED_NETWORK_POLICY
JUDGED = msgspec.structs.replace(
    DB,
    key=msgspec.structs.replace(
        DB.key,
        enforced=(
            Hit(GNP, "", "allow-dns", "platform", Action.PASS, 0, 1),
            Hit(NP, "catfacts", "db", "default", Action.ALLOW, 1, 0),
        ),
        pending=(
            Hit(GNP, "", "allow-dns", "platform", Action.PASS, 0, 1),
            Hit(
                HitKind.END_OF_TIER,
                "",
                "",
                "default",
                Action.DENY,
                1,
                -1,
                Trigger(STAGED_KIND, "catfacts", "later", "default"),
            ),
        ),
    ),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # "one PolicyMatch is satisfied when a single hit (enforced or pending) meets all its set parts"
        ("CalicoNetworkPolicy/default/catfacts/db", True),
        ("GlobalNetworkPolicy///", True),
        ("/platform//", True),
        ("///db", True),
        ("db", True),
        ("catfacts/db", True),
        ("//catfacts/", True),
        ("GlobalNetworkPolicy/default//", False),
        ("/platform/catfacts/", False),
        ("///allow-*", True),
        ("///d", False),
        # "The trigger of an EndOfTier hit … we should match the trigger too"
        ("///later", True),
        ("StagedNetworkPolicy/default/catfacts/later", True),
        ("EndOfTier///", True),
        ("AdminNetworkPolicy///", False),
        # cluster-scoped policies
        ("GlobalNetworkPolicy//Global/", True),
        # the name as it is written
        ("///default.db", True),
        # with an action
        ("///db@Allow", True),
        ("///db@Deny", False),
        ("///later@Deny", True),
        ("///nothing,///db", True),
    ],
)
def test_policies_are_found_by_a_single_hit(value: str, expected: bool) -> None:
    assert holds(f"policy={value}", JUDGED) is expected


def test_a_staged_action_is_one_of_the_pending_hits() -> None:
    """ "pending_actions: any hit of the *pending* list has one of these actions"."""
    assert holds("staged_action=Deny", JUDGED)
    assert not holds("staged_action=Deny", DB)


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        ("bytes>499", FlowCounts(bytes_in=300, bytes_out=200), True),
        ("bytes>500", FlowCounts(bytes_in=300, bytes_out=200), False),
        ("packets<6", FlowCounts(packets_in=3, packets_out=2), True),
        ("!bytes>499", FlowCounts(bytes_in=300, bytes_out=200), False),
        ("connections>0 port=80", FlowCounts(connections_started=1), True),
    ],
)
def test_counts_are_judged_on_sums_in_and_out_together(text: str, counts: FlowCounts, expected: bool) -> None:
    assert parse(text).matches_counts(counts) is expected


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("colour=red", 1, "there is no field 'colour'"),
        ("port=80 colour=red", 9, "there is no field 'colour'"),
        ("protocol~tcp", 9, "protocol does not know '~'"),
        ("bytes=3", 6, "bytes does not know '='"),
        ('dest_name="db', 11, "the quotation mark is not closed"),
        ("port=", 6, "a value is missing"),
        ("port=80,", 9, "a value is missing"),
        ("port=http", 6, "a port is a number"),
        ("bytes>many", 7, "bytes is compared with a number"),
        ("action=Allowed", 8, "action is Allow or Deny"),
        ("ip=10.0.0", 4, "neither an address nor a CIDR"),
        ("!", 2, "a value is missing"),
    ],
)
def test_a_mistake_names_its_column(text: str, column: int, part: str) -> None:
    with pytest.raises(FilterError) as found:
        parse(text)
    assert (found.value.column, part in found.value.message) == (column, True), found.value.message


def test_quotation_marks_may_hold_anything() -> None:
    assert parse(r'dest_name="a \"b\", c"') == Filter((Clause(('a "b", c',), "dest_name"),))


@given(st.text(max_size=40))
def test_every_text_is_a_filter_or_has_a_mistake_inside(text: str) -> None:
    try:
        parse(text).matcher()(PLAIN.variant)
        column = 1
    except FilterError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


@given(records, st.sampled_from(["port=80", "name~db", "action=Deny", "policy=///db-*", "text"]))
def test_negation_turns_the_answer_round(record, text: str) -> None:
    assert holds(text, record.variant) is not holds(f"!{text}", record.variant)

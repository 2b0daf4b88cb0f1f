/** The board: tiers as columns in order, policies as cards in order, and at the foot what happens to the rest. */
import { alter, useAddress } from "../address/address";
import type { Scope } from "../address/scope";
import { useBoard } from "../api/queries";
import type { Board, PolicyCard } from "../api/types";
import { count, counted } from "../format/numbers";
import { policyKey } from "../format/words";
import { Failed, Loading } from "../parts/States";
import { PolicyPanel } from "./PolicyPanel";
import { Tier } from "./Tier";

/** The board as one namespace sees it: its own policies and those without a namespace. */
export function within(board: Board, namespace: string, text: string): Board {
  const seen = (card: PolicyCard): boolean =>
    (!namespace || !card.ref.namespace || card.ref.namespace === namespace) && (!text || `${card.ref.namespace}/${card.full_name} ${card.selects}`.includes(text));
  return { ...board, tiers: board.tiers.map((tier) => ({ ...tier, policies: tier.policies.filter(seen) })) };
}

function Summary({ board }: { board: Board }) {
  const cards = board.tiers.flatMap((tier) => tier.policies);
  const unused = cards.filter((card) => !card.hits.last_hit).length;
  const staged = cards.filter((card) => card.staged).length;
  return (
    <p className="summary">
      <b>{counted(cards.length, "policy", "policies")}</b> in {counted(board.tiers.length, "tier")}
      {staged > 0 && <> · {count(staged)} staged</>}
      {unused > 0 && <> · <span className="warn-text">{count(unused)} without a hit in this window</span></>}
      {board.unjudged > 0 && <> · {counted(board.unjudged, "connection")} judged by no policy</>}
    </p>
  );
}

export function PoliciesScreen({ scope }: { scope: Scope }) {
  const { params } = useAddress();
  const query = useBoard(scope.range);
  if (query.error && !query.data) return <Failed what="Policies" error={query.error} again={() => void query.refetch()} />;
  if (!query.data) return <Loading what="the policies" />;
  const board = within(query.data, scope.namespace, params.get("q") ?? "");
  const wanted = params.get("policy") ?? "";
  const open = query.data.tiers.flatMap((tier) => tier.policies).find((card) => policyKey(card.ref) === wanted);
  return (
    <section className="screen policies" aria-label="Policies">
      <div className="screen-head"><h1>Policies</h1><Summary board={board} /></div>
      <div className="split">
        <div className="board" tabIndex={0} role="region" aria-label="Tiers in order">
          {board.tiers.map((tier, i) => <Tier key={tier.name} tier={tier} place={i + 1} opened={wanted} />)}
          <div className="tier narrow profile" title="What no tier decided is allowed by the namespace's profile"><h2>profiles</h2><span className="faint vertical">allow what no tier decided</span></div>
        </div>
        {open && <PolicyPanel card={open} onClose={() => alter({ policy: null })} />}
      </div>
    </section>
  );
}

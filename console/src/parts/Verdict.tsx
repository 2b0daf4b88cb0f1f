/** Verdicts: always a shape and a word, never colour alone; the same in table, map, board and charts. */
import type { Action } from "../api/types";
import { current, type Row, type Verdict as RowVerdict } from "../flows/merge";
import { plainName } from "../format/words";

export type Mark = "allow" | "deny" | "pass" | "staged" | "unknown";

const SHAPES: Record<Mark, string> = {
  allow: "M6 1.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9z",
  deny: "M1.8 1.8h8.4v8.4h-8.4z",
  pass: "M3 1.5l7 4.5l-7 4.5z",
  staged: "M6 1.8a4.2 4.2 0 1 1 0 8.4a4.2 4.2 0 1 1 0-8.4z",
  unknown: "M6 2a4 4 0 1 1 0 8a4 4 0 1 1 0-8z",
};

export function Shape({ mark }: { mark: Mark }) {
  return (
    <svg className={`shape ${mark}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path d={SHAPES[mark]} />
    </svg>
  );
}

export const markOf = (action: string): Mark =>
  action === "Allow" ? "allow" : action === "Deny" ? "deny" : action === "Pass" ? "pass" : "unknown";

const WORDS: Record<string, string> = { Allow: "Allowed", Deny: "Denied", Pass: "Passed" };

export function ActionMark({ action, plain = false }: { action: Action | string; plain?: boolean }) {
  return (
    <span className={`verdict ${markOf(action)}`}>
      <Shape mark={markOf(action)} /> {plain ? action : (WORDS[action] ?? action)}
    </span>
  );
}

/** The sign and the word for a row's verdict. */
export const ROW_WORDS: Record<RowVerdict, [Mark, string]> = {
  allowed: ["allow", "Allowed"],
  "denied-leaving": ["deny", "Denied on leaving"],
  "denied-arriving": ["deny", "Denied on arrival"],
  unknown: ["unknown", "Unknown"],
};

/** What each end says: "allowed on leaving worker, denied on arrival at facts". */
function bothEnds({ flows }: Row): string {
  const now = current(flows);
  const said = (reporter: "Src" | "Dst"): string => {
    const flow = now.find((one) => one.reporter === reporter);
    if (!flow) return "";
    const word = (WORDS[flow.action] ?? flow.action).toLowerCase();
    return reporter === "Src" ? `${word} on leaving ${plainName(flow.source_name)}` : `${word} on arrival at ${plainName(flow.dest_name)}`;
  };
  return [said("Src"), said("Dst")].filter(Boolean).join(", ");
}

/** The joined verdict of a row, and what staged policies would change. */
export function RowVerdictMark({ row }: { row: Row }) {
  const [mark, word] = ROW_WORDS[row.verdict];
  return (
    <span className={`verdict ${mark}`} title={bothEnds(row)}>
      <Shape mark={mark} /> {word}
      {row.staged && (
        <span className="verdict staged" title={`Were staged policies enforced, a new connection would be ${row.staged === "Deny" ? "denied" : "allowed"}`}>
          <Shape mark="staged" />
          <span className="tight">{row.staged === "Deny" ? "would deny" : "would allow"}</span>
        </span>
      )}
      {row.changed && !row.staged && <span className="faint" title="Within this window the verdict has been another"><span aria-hidden="true">↺</span><span className="said">changed</span></span>}
    </span>
  );
}

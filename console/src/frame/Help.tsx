/** What the keys do, and what the signs mean. */
import { useRef } from "react";
import { useStatus } from "../api/queries";
import { Shape } from "../parts/Verdict";
import { useKeys } from "./keys";

const KEYS = [
  ["/", "search"], ["j  k", "next, previous row"], ["Enter", "open the row"], ["Esc", "close it"], ["p", "pause or play"], ["?", "this page"],
] as const;

const SIGNS = [
  ["allow", "allowed"], ["deny", "denied"], ["pass", "passed to the next tier"], ["staged", "staged: would happen if the policy were enforced"], ["unknown", "unknown"],
] as const;

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const version = useStatus().data?.version;
  const show = (): void => dialog.current?.showModal();
  useKeys({ "?": show });
  return (
    <>
      <button type="button" className="quiet" aria-label="Help: keys and signs" title="Help: keys and signs" onClick={show}>?</button>
      <dialog ref={dialog} className="help" aria-label="Help">
        <h2>Keys</h2>
        <dl>{KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
        <h2>Signs</h2>
        <dl>{SIGNS.map(([mark, what]) => <div key={mark}><dt><Shape mark={mark} /></dt><dd>{what}</dd></div>)}</dl>
        <p className="faint">ocicat {version ?? ""}. Nothing on this page comes from, or goes to, anywhere but this hub.</p>
        <form method="dialog"><button type="submit" className="primary">Close</button></form>
      </dialog>
    </>
  );
}

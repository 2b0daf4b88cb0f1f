/** A panel at the right that shows one thing of a screen, and closes with Escape. */
import type { ReactNode } from "react";
import { useKeys } from "../frame/keys";

export function Aside({ title, label, onClose, children }: { title: ReactNode; label: string; onClose: () => void; children: ReactNode }) {
  useKeys({ Escape: onClose });
  return (
    <aside className="aside" aria-label={label}>
      <header><h2>{title}</h2><button type="button" className="quiet" aria-label="Close" title="Esc" onClick={onClose}>×</button></header>
      <div className="aside-body" tabIndex={0} role="region" aria-label={`${label}, details`}>{children}</div>
    </aside>
  );
}

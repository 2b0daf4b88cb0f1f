/** A button with something that opens below it: closed by Escape, by a click elsewhere, and when focus leaves. */
import { useEffect, useId, useRef, useState, type ReactNode } from "react";

interface Props {
  label: ReactNode;
  /** What opens, for the tooltip and for screen readers. */
  name?: string;
  className?: string;
  align?: "start" | "end";
  children: (close: () => void) => ReactNode;
}

export function Popover({ label, name, className = "", align = "start", children }: Props) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = (): void => {
    setOpen(false);
    document.getElementById(`${id}-button`)?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    box.current?.querySelector<HTMLElement>(".popover input, .popover button, .popover select")?.focus();
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  return (
    <div
      className="popover-anchor"
      ref={box}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open) {
          event.stopPropagation();
          close();
        }
      }}
      onBlur={(event) => {
        if (open && event.relatedTarget && !box.current?.contains(event.relatedTarget as Node)) setOpen(false);
      }}
    >
      <button id={`${id}-button`} type="button" className={className} aria-expanded={open} aria-controls={open ? id : undefined} title={name} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open && (
        <div id={id} className={`popover ${align}`} role="group" aria-label={name ?? (typeof label === "string" ? label : undefined)}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

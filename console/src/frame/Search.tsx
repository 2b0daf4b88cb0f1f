/** The search box: free text, or clauses of the filter expression. Applied on Enter or after a pause in typing. */
import { useEffect, useRef, useState } from "react";
import { alter, useAddress } from "../address/address";
import { useKeys } from "./keys";

const PAUSE_MS = 500;

export function Search() {
  const { params } = useAddress();
  const applied = params.get("q") ?? "";
  const [text, setText] = useState(applied);
  const [shown, setShown] = useState(applied);
  const box = useRef<HTMLInputElement>(null);
  if (shown !== applied) {
    setShown(applied);
    setText(applied);
  }
  useEffect(() => {
    if (text === applied) return undefined;
    const timer = setTimeout(() => alter({ q: text || null }, { replace: true }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, applied]);
  useKeys({
    "/": (event) => {
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    },
  });
  return (
    <form
      className="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        alter({ q: text || null });
      }}
    >
      <input
        ref={box}
        type="search"
        value={text}
        placeholder="Search: db, dest_name=db-*, !port=53"
        aria-label="Search flows: text, or a filter expression"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && box.current?.blur()}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

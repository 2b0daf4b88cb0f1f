/** A button that copies a text, and says whether it did. */
import { useEffect, useState } from "react";

const SAID_MS = 2000;

/** The clipboard is there only on pages that came from localhost or by TLS; elsewhere what is selected is copied. */
async function copy(text: string): Promise<boolean> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "said";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export function Copy({ text, children, what, className = "copy" }: { text: string; children: string; what: string; className?: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <>
      <button type="button" className={className} title={`Copy ${what}`} onClick={() => void copy(text).then((done) => setSaid(done ? "Copied" : "Not copied"))}>
        {said || children}
      </button>
      <span role="status" className="said">{said}</span>
    </>
  );
}

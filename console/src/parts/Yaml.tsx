/** YAML as text, lightly coloured, with marked lines that are scrolled into sight. Built of elements, never of markup. */
import { useEffect, useRef } from "react";
import { Copy } from "./Copy";

const LINE = /^(\s*(?:- )?)([A-Za-z_][\w./-]*)(:)(\s.*)?$/;

function Line({ text }: { text: string }) {
  const match = LINE.exec(text);
  if (!match) return <>{text || " "}</>;
  return (
    <>
      {match[1]}
      <span className="key">{match[2]}</span>
      <span className="faint">{match[3]}</span>
      {match[4]}
    </>
  );
}

export function Yaml({ text, lines = [0, 0], label }: { text: string; lines?: readonly [number, number]; label: string }) {
  const box = useRef<HTMLPreElement>(null);
  const [first] = lines;
  useEffect(() => {
    const marked = box.current?.children[first - 1];
    if (box.current && marked instanceof HTMLElement) box.current.scrollTop = marked.offsetTop - box.current.offsetTop - box.current.clientHeight / 3;
  }, [first, text]);
  const rows = text.replace(/\n$/, "").split("\n");
  return (
    <div className="yaml-box">
      <Copy text={text} what={label}>Copy</Copy>
      <pre className="yaml" ref={box} tabIndex={0} role="region" aria-label={label}>
        {rows.map((row, i) => {
          const marked = i + 1 >= lines[0] && i + 1 <= lines[1];
          return (
            <code key={i} className={marked ? "marked" : undefined}>
              <span className="number" aria-hidden="true">{i + 1}</span>
              {marked && <span className="said">deciding line: </span>}
              <Line text={row} />
              {"\n"}
            </code>
          );
        })}
      </pre>
    </div>
  );
}

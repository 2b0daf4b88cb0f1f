/** Small pictures of counts over time. */

function pathOf(values: readonly number[], width: number, height: number, top: number): string {
  const step = width / Math.max(1, values.length - 1);
  return values.map((value, i) => `${i ? "L" : "M"}${(i * step).toFixed(1)} ${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`).join("");
}

/** A line over its area. `denied` chooses the colour. */
export function Sparkline({ values, denied = false, width = 72, height = 18 }: { values: readonly number[]; denied?: boolean; width?: number; height?: number }) {
  const top = Math.max(...values, 1);
  const line = pathOf(values, width, height, top);
  return (
    <svg className={denied ? "spark deny" : "spark"} width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path className="area" d={`${line}L${width} ${height}L0 ${height}Z`} />
      <path className="line" d={line} />
    </svg>
  );
}

export interface Stack {
  name: string;
  mark: string;
  values: readonly number[];
}

/** Bars that pile several counts on each other; `titles` says what each bar stands for. */
export function Bars({ stacks, width, height, titles, label }: { stacks: readonly Stack[]; width: number; height: number; titles?: readonly string[]; label: string }) {
  const length = stacks[0]?.values.length ?? 0;
  const sums = Array.from({ length }, (_, i) => stacks.reduce((sum, stack) => sum + (stack.values[i] ?? 0), 0));
  const top = Math.max(1, ...sums);
  const slot = width / Math.max(1, length);
  return (
    <svg className="bars" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {sums.map((_, i) => {
        let y = height;
        return (
          <g key={i}>
            {titles && <title>{titles[i]}</title>}
            <rect className="hover" x={i * slot} y={0} width={slot} height={height} />
            {stacks.map((stack) => {
              const tall = ((stack.values[i] ?? 0) / top) * height;
              y -= tall;
              return tall > 0 && <rect key={stack.name} className={stack.mark} x={i * slot + 0.5} y={y} width={Math.max(0.5, slot - 1)} height={tall} />;
            })}
          </g>
        );
      })}
    </svg>
  );
}

// The activation functions of chapter 3 and their slopes: what both of its widgets compute.

// The standard normal's probability below x, from its Taylor series around the nearest sixteenth: 1e-15 and quick.
const GRID = 16, FAR = 9, ROOT = 1 / Math.sqrt(2 * Math.PI);
const density = (x) => ROOT * Math.exp((-x * x) / 2);
/** How much Φ grows from `from` to `from + h`: each derivative of the density follows from the two before. */
function growth(from, h) {
  let last = 0, now = density(from), power = h, sum = h * now;
  for (let n = 1; n < 10; n++) {
    const next = -(from * now + (n - 1) * last);
    last = now; now = next; power *= h / (n + 1);
    sum += now * power;
  }
  return sum;
}
// below 0 alone, summed from the tail: small probabilities keep their digits
const BELOW = new Float64Array(FAR * GRID + 1);
for (let i = 1; i < BELOW.length; i++) { const x = i / GRID - FAR; BELOW[i] = BELOW[i - 1] + growth(x - 0.5 / GRID, 0.5 / GRID) - growth(x - 0.5 / GRID, -0.5 / GRID); }
/** The standard normal's probability below x. */
export function normalBelow(x) {
  if (x > 0) return 1 - normalBelow(-x);
  if (!(x > -FAR)) return 0;
  const i = Math.round((x + FAR) * GRID), from = i / GRID - FAR;
  return BELOW[i] + growth(from, x - from);
}

const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const swish = (x, beta) => { const s = sigmoid(beta * x); return [x * s, s + beta * x * s * (1 - s)]; };
const leaky = (x, slope) => (x > 0 ? [x, 1] : [slope * x, slope]);
const curved = (x, alpha) => (x > 0 ? [x, 1] : [alpha * Math.expm1(x), alpha * Math.exp(x)]);
const cut = (x, low, high) => (x <= low ? [low, 0] : x >= high ? [high, 0] : [x, 1]);
const SCALE = 1.0507009873554805, ALPHA = 1.6732632423543772;
const TANH = Math.sqrt(2 / Math.PI), CUBE = 0.044715;

/**
 * Each activation: its name, its formula and its derivative's, the parameters that it has, where its slope jumps,
 * and `at(x, state)` → [value, slope].
 */
export const ACTIVATIONS = {
  step: { name: "Step", formula: ["1 where x ≥ 0, else 0", "0"], kinks: () => [0], jumps: true, at: (x) => [x >= 0 ? 1 : 0, 0] },
  identity: { name: "Identity", formula: ["x", "1"], at: (x) => [x, 1] },
  sigmoid: { name: "Sigmoid", formula: ["1 / (1 + e⁻ˣ)", "σ(x) (1 − σ(x))"], at: (x) => [sigmoid(x), sigmoid(x) * sigmoid(-x)] },
  tanh: { name: "Tanh", formula: ["tanh x", "1 − tanh² x"], at: (x) => { const t = Math.tanh(x); return [t, 1 - t * t]; } },
  relu: { name: "ReLU", formula: ["max(0, x)", "1 where x > 0, else 0"], kinks: () => [0], at: (x) => (x > 0 ? [x, 1] : [0, 0]) },
  leaky_relu: { name: "Leaky ReLU", uses: ["negative_slope"], formula: ["x where x > 0, else s x", "1 where x > 0, else s"], kinks: (s) => (s.negative_slope === 1 ? [] : [0]), at: (x, s) => leaky(x, s.negative_slope) },
  prelu: { name: "PReLU", uses: ["weight"], formula: ["x where x > 0, else a x", "1 where x > 0, else a"], kinks: (s) => (s.weight === 1 ? [] : [0]), at: (x, s) => leaky(x, s.weight) },
  elu: { name: "ELU", uses: ["alpha"], formula: ["x where x > 0, else α (eˣ − 1)", "1 where x > 0, else α eˣ"], kinks: (s) => (s.alpha === 1 ? [] : [0]), at: (x, s) => curved(x, s.alpha) },
  selu: { name: "SELU", formula: ["1.0507 x where x > 0, else 1.7581 (eˣ − 1)", "1.0507 where x > 0, else 1.7581 eˣ"], kinks: () => [0],
    at: (x) => { const [value, slope] = curved(x, ALPHA); return [SCALE * value, SCALE * slope]; } },
  celu: { name: "CELU", uses: ["alpha"], formula: ["x where x > 0, else α (e^(x/α) − 1)", "1 where x > 0, else e^(x/α)"],
    at: (x, s) => (x > 0 ? [x, 1] : [s.alpha * Math.expm1(x / s.alpha), Math.exp(x / s.alpha)]) },
  gelu: { name: "GELU", formula: ["x Φ(x)", "Φ(x) + x φ(x)"], at: (x) => { const p = normalBelow(x); return [x * p, p + x * density(x)]; } },
  gelu_tanh: { name: "GELU, by tanh", formula: ["½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))", "½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 0.134 x²)"],
    at: (x) => { const t = Math.tanh(TANH * (x + CUBE * x * x * x)); return [0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * TANH * (1 + 3 * CUBE * x * x)]; } },
  gelu_sigmoid: { name: "GELU, by sigmoid", formula: ["x σ(1.702 x)", "s + 1.702 x s (1 − s), s = σ(1.702 x)"], at: (x) => swish(x, 1.702) },
  silu: { name: "SiLU", formula: ["x σ(x)", "σ(x) + x σ(x) (1 − σ(x))"], at: (x) => swish(x, 1) },
  swish: { name: "Swish", uses: ["beta"], formula: ["x σ(β x)", "s + β x s (1 − s), s = σ(β x)"], at: (x, s) => swish(x, s.beta) },
  mish: { name: "Mish", formula: ["x tanh(log(1 + eˣ))", "t + x (1 − t²) σ(x), t = tanh(log(1 + eˣ))"],
    at: (x) => { const t = Math.tanh(softplus(x)); return [x * t, t + x * (1 - t * t) * sigmoid(x)]; } },
  softplus: { name: "Softplus", uses: ["beta"], formula: ["log(1 + e^(β x)) / β", "σ(β x)"], at: (x, s) => [softplus(s.beta * x) / s.beta, sigmoid(s.beta * x)] },
  softsign: { name: "Softsign", formula: ["x / (1 + |x|)", "1 / (1 + |x|)²"], at: (x) => { const d = 1 + Math.abs(x); return [x / d, 1 / (d * d)]; } },
  hardsigmoid: { name: "Hard sigmoid", formula: ["x/6 + ½, cut to 0 … 1", "1/6 where |x| < 3, else 0"], kinks: () => [-3, 3], at: (x) => (x <= -3 ? [0, 0] : x >= 3 ? [1, 0] : [x / 6 + 0.5, 1 / 6]) },
  hardtanh: { name: "Hard tanh", uses: ["min_val", "max_val"], formula: ["x, cut to min … max", "1 between them, else 0"], kinks: (s) => [s.min_val, s.max_val], at: (x, s) => cut(x, s.min_val, s.max_val) },
  relu6: { name: "ReLU6", formula: ["x, cut to 0 … 6", "1 where 0 < x < 6, else 0"], kinks: () => [0, 6], at: (x) => cut(x, 0, 6) },
  hardswish: { name: "Hard swish", formula: ["x (x/6 + ½, cut to 0 … 1)", "x/3 + ½ where |x| < 3, else 0 or 1"], kinks: () => [-3, 3], at: (x) => (x <= -3 ? [0, 0] : x >= 3 ? [x, 1] : [x * (x / 6 + 0.5), x / 3 + 0.5]) },
  logsigmoid: { name: "Log-sigmoid", formula: ["log σ(x) = −log(1 + e⁻ˣ)", "σ(−x)"], at: (x) => [-softplus(-x), sigmoid(-x)] },
};

/** The parameters unless the reader moves them: torch's defaults. */
export const DEFAULTS = { negative_slope: 0.01, weight: 0.25, alpha: 1, beta: 1, min_val: -1, max_val: 1 };

/** Value and slope at x. */
export const evaluate = (activation, x, state = DEFAULTS) => ACTIVATIONS[activation].at(x, state);

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
/** A power of ten: 10⁻⁷. */
export const powerOfTen = (k) => (k === 0 ? "1" : k === 1 ? "10" : `10${String(k).replace(/./g, (c) => RAISED[c])}`);
/** A number of any size with two digits: 0.25, 9.5 · 10⁻⁷. */
export function anySize(v) {
  const size = Math.abs(v);
  if (v === 0) return "0";
  if (size >= 0.0995 && size < 99.5) return format(v, size < 9.95 ? 2 : 1);
  const [digits, k] = v.toExponential(1).split("e");
  return `${digits.replace("-", "−")}\u00a0·\u00a0${powerOfTen(Number(k))}`;   // no line breaks in it
}

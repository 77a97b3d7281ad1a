/* The inner loops of the search for Tc, for machines with a C compiler; kernel.py, linearised.py and coupling.py
   hold the same mathematics in numpy, and explain it. Arrays are contiguous doubles owned by the caller. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define BLOCK 256
#define MOST_NODES 64
#define EXPLICIT 6

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT long htc_version(void) { return VERSION; }

/* Carry n point weights over to Chebyshev nodes of logarithmic bins; the number of nodes, or 0 where they are no
   fewer than the points. positions and projected have room for n numbers each, depth too. */
EXPORT long htc_project(long n, const double *omega, const double *weight, double lowest, double width, long nodes,
                        double *depth, double *positions, double *projected)
{
    double highest = omega[n - 1], x[MOST_NODES], polynomial[MOST_NODES], moment[MOST_NODES];
    double to_nodes[MOST_NODES * MOST_NODES];
    long bins = 0, bin = -1;
    if (nodes < 2 || nodes > MOST_NODES)
        return 0;
    for (long i = 0; i < n; i++) {
        depth[i] = log(highest / fmax(omega[i], lowest * highest)) / width;
        bins += (long)depth[i] != bin;
        bin = (long)depth[i];
    }
    if (bins * nodes >= n)
        return 0;
    for (long k = 0; k < nodes; k++) {
        double angle = acos(-1.0) * ((double)k + 0.5) / (double)nodes;
        x[k] = cos(angle);
        for (long j = 0; j < nodes; j++)
            to_nodes[k * nodes + j] = (j ? 2.0 : 1.0) / (double)nodes * cos(angle * (double)j);
    }
    long count = 0;
    for (long i = 0; i < n; count += nodes) {
        bin = (long)depth[i];
        memset(moment, 0, sizeof moment);
        for (; i < n && (long)depth[i] == bin; i++) {
            double t = 2.0 * (depth[i] - (double)bin) - 1.0;
            polynomial[0] = 1.0;
            polynomial[1] = t;
            for (long j = 2; j < nodes; j++)
                polynomial[j] = 2.0 * t * polynomial[j - 1] - polynomial[j - 2];
            for (long j = 0; j < nodes; j++)
                moment[j] += weight[i] * polynomial[j];
        }
        for (long k = 0; k < nodes; k++) {
            double sum = 0.0;
            for (long j = 0; j < nodes; j++)
                sum += to_nodes[k * nodes + j] * moment[j];
            positions[count + k] = highest * exp(-width * ((double)bin + 0.5 * (x[k] + 1.0)));
            projected[count + k] = sum;
        }
    }
    return count;
}

/* lambda(nu) and d lambda / d ln nu of m oscillators at n imaginary frequencies. */
EXPORT WIDE void htc_lambda(long n, const double *nu, long m, const double *omega, const double *weight,
                            double *values, double *slopes)
{
    for (long start = 0; start < n; start += BLOCK) {
        long count = n - start < BLOCK ? n - start : BLOCK;
        double square[BLOCK], first[BLOCK], second[BLOCK];
        for (long j = 0; j < count; j++) {
            square[j] = nu[start + j] * nu[start + j];
            first[j] = second[j] = 0.0;
        }
        for (long k = 0; k < m; k++) {
            double w = weight[k], q = 1.0 / (omega[k] * omega[k]);
            for (long j = 0; j < count; j++) {
                double share = 1.0 / (1.0 + square[j] * q);
                double part = w * share;
                first[j] += part;
                second[j] += part * share;
            }
        }
        for (long j = 0; j < count; j++) {
            values[start + j] = first[j];
            slopes[start + j] = 2.0 * (second[j] - first[j]);
        }
    }
}

/* What the sum in Z has beyond the nodes, and its derivative by ln T; work holds 42 p numbers. */
static void tail(long p, long end, const double *index, long m, const double *omega, const double *weight,
                 double spacing, double *work, double *rest, double *rest_by)
{
    long n = 2 * p * (EXPLICIT + 1);
    double *nu = work, *values = work + n, *slopes = work + 2 * n;
    for (long k = 0; k <= EXPLICIT; k++) {
        double shift = k < EXPLICIT ? (double)k : EXPLICIT - 0.5;
        for (long i = 0; i < p; i++) {
            nu[(2 * k) * p + i] = spacing * ((double)end - index[i] + shift);
            nu[(2 * k + 1) * p + i] = spacing * ((double)end + index[i] + 1.0 + shift);
        }
    }
    htc_lambda(n, nu, m, omega, weight, values, slopes);
    for (long i = 0; i < p; i++) {
        double sum = 0.0, by = 0.0;
        for (long k = 0; k < EXPLICIT; k++) {
            sum += values[2 * k * p + i] - values[(2 * k + 1) * p + i];
            by += slopes[2 * k * p + i] - slopes[(2 * k + 1) * p + i];
        }
        long a = 2 * EXPLICIT * p + i, b = a + p;
        double low = nu[a], high = nu[b];
        sum += (slopes[a] / low - slopes[b] / high) * spacing / 24.0;
        by -= (low * values[a] - high * values[b]) / spacing;
        double integral = 0.0;
        for (long k = 0; k < m; k++) {
            double ratio = omega[k] * (high - low) / (low * high + omega[k] * omega[k]);
            double square = ratio * ratio;
            double angle = square < 4e-4
                ? ratio * (1.0 - square * (1.0 / 3.0 - square * (0.2 - square / 7.0)))
                : atan(ratio);
            integral += omega[k] * weight[k] * angle;
        }
        integral /= spacing;
        rest[i] = sum + integral;
        rest_by[i] = by - integral;
    }
}

/* LU factors in place with row exchanges; 0 where the matrix is singular. */
static int factorise(long p, double *a, long *row)
{
    for (long k = 0; k < p; k++) {
        long best = k;
        for (long i = k + 1; i < p; i++)
            if (fabs(a[i * p + k]) > fabs(a[best * p + k]))
                best = i;
        row[k] = best;
        if (!(fabs(a[best * p + k]) > 0.0))
            return 0;
        if (best != k)
            for (long j = 0; j < p; j++) {
                double swap = a[k * p + j];
                a[k * p + j] = a[best * p + j];
                a[best * p + j] = swap;
            }
        double pivot = 1.0 / a[k * p + k];
        for (long i = k + 1; i < p; i++) {
            double factor = a[i * p + k] * pivot;
            a[i * p + k] = factor;
            for (long j = k + 1; j < p; j++)
                a[i * p + j] -= factor * a[k * p + j];
        }
    }
    return 1;
}

static void solve(long p, const double *lu, const long *row, double *b)
{
    for (long k = 0; k < p; k++) {
        double swap = b[k];
        b[k] = b[row[k]];
        b[row[k]] = swap;
    }
    /* Whole rows were exchanged, their factors with them: these stand in the order of the end. */
    for (long i = 0; i < p; i++)
        for (long j = 0; j < i; j++)
            b[i] -= lu[i * p + j] * b[j];
    for (long i = p - 1; i >= 0; i--) {
        for (long j = i + 1; j < p; j++)
            b[i] -= lu[i * p + j] * b[j];
        b[i] /= lu[i * p + i];
    }
}

static void solve_transposed(long p, const double *lu, const long *row, double *b)
{
    for (long i = 0; i < p; i++) {
        b[i] /= lu[i * p + i];
        for (long j = i + 1; j < p; j++)
            b[j] -= lu[i * p + j] * b[i];
    }
    for (long i = p - 1; i >= 0; i--)
        for (long j = 0; j < i; j++)
            b[j] -= lu[i * p + j] * b[i];
    for (long k = p - 1; k >= 0; k--) {
        double swap = b[k];
        b[k] = b[row[k]];
        b[row[k]] = swap;
    }
}

/* Whether bound - A is positive definite, by the signs of its pivots; spoils a, which is symmetric. */
static int positive(long p, double *a, double bound)
{
    for (long i = 0; i < p; i++)
        a[i * p + i] -= bound;
    for (long j = 0; j < p; j++) {
        double pivot = a[j * p + j];
        if (!(pivot < 0.0))
            return 0;
        for (long i = j + 1; i < p; i++) {
            double factor = a[j * p + i] / pivot;
            for (long k = i; k < p; k++)
                a[i * p + k] -= factor * a[j * p + k];
        }
    }
    return 1;
}

static double dot(long n, const double *a, const double *b)
{
    double sum = 0.0;
    for (long i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double interpolate(double x, long n, const double *grid, const double *right, const double *scale)
{
    long j = 0;
    while (j < n - 1 && grid[j + 1] < x)
        j++;
    double a = right[j] / fmax(scale[j], 1e-300);
    if (x <= grid[0] || j == n - 1)
        return a;
    double b = right[j + 1] / fmax(scale[j + 1], 1e-300);
    return a + (b - a) * (x - grid[j]) / (grid[j + 1] - grid[j]);
}

/* One inverse iteration on A at a temperature, and the Rayleigh quotient with its derivatives.

   x: the vector so far, replaced by the right one. left: receives the left one. out: value, slope, edge, pair sum,
   and 1 where no eigenvalue lies above, 0 where one may, -1 where that was not asked (A not symmetric).
   Returns 0, or 1 for a singular matrix, 2 without memory. */
EXPORT WIDE long htc_evaluate(long p, long dense, long truncated, long end, const double *index, const double *odd,
                              const double *scale, const double *full, const double *phonon, const double *ratio,
                              long m, const double *omega, const double *weight, double spacing, double mu,
                              double mu_by, double last, long iterations, double *x, double *left, double *out)
{
    long pairs = dense ? 0 : p * (p + 1) / 2, n = dense ? 2 * p + 1 : 2 * pairs + 2 * p;
    double *work = malloc(sizeof(double) * (size_t)(3 * n + 2 * p * p + 50 * p) + sizeof(long) * (size_t)p);
    if (work == NULL)
        return 2;
    double *nu = work, *lam = nu + n, *by = lam + n, *a = by + n, *lu = a + p * p;
    double *z = lu + p * p, *z_by = z + p, *u = z_by + p, *v = u + p, *next = v + p, *rest = next + p;
    double *rest_by = rest + p, *spare = rest_by + p;
    long *row = (long *)(spare + 43 * p);

    if (dense)
        for (long l = 0; l < n; l++)
            nu[l] = spacing * (double)l;
    else {
        long at = 0;
        for (long i = 0; i < p; i++)
            for (long j = 0; j <= i; j++, at++) {
                nu[at] = spacing * (index[i] - index[j]);
                nu[pairs + at] = spacing * (index[i] + index[j] + 1.0);
            }
        for (long i = 0; i < p; i++) {
            nu[2 * pairs + i] = spacing * ((double)end - index[i]);
            nu[2 * pairs + p + i] = spacing * ((double)end + index[i] + 1.0);
        }
    }
    htc_lambda(n, nu, m, omega, weight, lam, by);
    /* d/d ln T at held frequencies is d/d ln nu. From here on the pairs hold sums and differences. */
    const double *counted = truncated ? phonon : full;
    for (long i = 0; i < p; i++)
        z[i] = z_by[i] = 0.0;
    if (dense && !truncated) {
        double sum = -lam[0], sum_by = -by[0];
        for (long i = 0; i < p; i++) {
            sum += 2.0 * lam[i];
            sum_by += 2.0 * by[i];
            z[i] = sum;
            z_by[i] = sum_by;
        }
    }
    for (long i = 0, at = 0; i < p; i++)
        for (long j = 0; j <= i; j++, at++) {
            long minus = dense ? i - j : at, plus = dense ? i + j + 1 : pairs + at;
            double kernel = lam[minus] + lam[plus];
            a[i * p + j] = a[j * p + i] = kernel;
            if (!dense || truncated) {
                double difference = lam[minus] - lam[plus], difference_by = by[minus] - by[plus];
                z[i] += difference * counted[j];
                z_by[i] += difference_by * counted[j];
                if (i != j) {
                    z[j] += difference * counted[i];
                    z_by[j] += difference_by * counted[i];
                }
            }
        }
    if (!dense && !truncated) {
        tail(p, end, index, m, omega, weight, spacing, spare, rest, rest_by);
        for (long i = 0; i < p; i++) {
            z[i] += rest[i];
            z_by[i] += rest_by[i];
        }
    }
    for (long i = 0; i < p; i++)
        next[i] = dense ? lam[end - i] + lam[end + i + 1] : lam[2 * pairs + i] + lam[2 * pairs + p + i];
    for (long i = 0; i < p; i++) {
        for (long j = 0; j < p; j++)
            a[i * p + j] = scale[i] * (a[i * p + j] - 2.0 * mu * (ratio ? ratio[j] : 1.0)) * scale[j];
        a[i * p + i] -= z[i] / odd[i] + 1.0;
    }

    double shift = 0.0;
    for (long i = 0; i < p; i++)
        shift += x[i] * dot(p, a + i * p, x);
    memcpy(lu, a, sizeof(double) * (size_t)(p * p));
    if (shift > 0.05)
        for (long i = 0; i < p; i++)
            lu[i * p + i] -= shift;
    if (!factorise(p, lu, row)) {
        free(work);
        return 1;
    }
    memcpy(left, x, sizeof(double) * (size_t)p);
    for (long step = 0; step < iterations; step++) {
        solve(p, lu, row, x);
        double norm = 1.0 / sqrt(dot(p, x, x));
        for (long i = 0; i < p; i++)
            x[i] *= norm;
        if (ratio) {
            solve_transposed(p, lu, row, left);
            norm = 1.0 / dot(p, left, x);
            for (long i = 0; i < p; i++)
                left[i] *= norm;
        }
    }
    if (!ratio)
        memcpy(left, x, sizeof(double) * (size_t)p);

    double value = 0.0, slope = 0.0, paired = 0.0, plain = 0.0, numbered = 0.0;
    for (long i = 0; i < p; i++) {
        value += left[i] * dot(p, a + i * p, x);
        u[i] = scale[i] * left[i];
        v[i] = scale[i] * x[i];
        paired += u[i];
        plain += v[i];
        numbered += v[i] * (ratio ? ratio[i] : 1.0);
        slope -= left[i] * x[i] * z_by[i] / odd[i];
    }
    for (long i = 0, at = 0; i < p; i++)
        for (long j = 0; j <= i; j++, at++) {
            double kernel = dense ? by[i - j] + by[i + j + 1] : by[at] + by[pairs + at];
            slope += kernel * (i == j ? u[i] * v[i] : u[i] * v[j] + u[j] * v[i]);
        }
    slope -= 2.0 * mu_by * paired * numbered;
    double column = dot(p, next, u), line = dot(p, next, v), edge;
    if (ratio)
        edge = -0.5 * column * (line - 2.0 * mu * numbered) + mu * paired * interpolate(last, p, index, x, scale);
    else
        edge = -0.5 * (column - 2.0 * mu * paired) * (line - 2.0 * mu * plain) + 2.0 * mu_by * paired * plain;
    out[0] = value;
    out[1] = slope;
    out[2] = edge;
    out[3] = paired * numbered;
    out[4] = ratio ? -1.0 : (double)positive(p, a, value + fabs(value) + 1e-4);
    free(work);
    return 0;
}

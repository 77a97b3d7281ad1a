"""Every format, on files of our own and on files written here the way the code writes them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum, check, find_spectra, read_spectra
from htc.spectra.energy import parse_unit, units_in_header
from htc.spectra.readers import FORMATS, MAX_FILE_BYTES
from htc.units import MEV_PER_HARTREE, MEV_PER_RYDBERG, MEV_PER_THZ

REPOSITORY = Path(__file__).resolve().parents[2]
AL = REPOSITORY / "src/htc/examples/spectra/al_qe"
MGB2 = REPOSITORY / "src/htc/examples/spectra/mgb2_epw"
OWN = REPOSITORY / "tests/data/spectra"


def codes(spectrum: Spectrum) -> set[str]:
    return {flag.code for flag in check(spectrum)}


def bump(top: float = 1.0, points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A grid (0, top] and a spectrum that comes back to zero at both ends."""
    omega = np.linspace(top / points, top, points)
    return omega, 0.6 * np.sin(np.pi * omega / top) ** 2


def write_table(path: Path, omega, *columns, header: str = "") -> Path:
    rows = "\n".join(" ".join(f"{x:.10e}" for x in row) for row in zip(omega, *columns, strict=True))
    path.write_text(f"{header}\n{rows}\n" if header else rows + "\n")
    return path


# Quantum ESPRESSO


def test_lambda_x_gives_every_broadening_with_what_the_code_reported():
    spectra = read_spectra(AL / "alpha2F.dat")
    assert [s.label for s in spectra][:2] == ["degauss 0.005 Ry", "degauss 0.01 Ry"]
    assert len(spectra) == 10
    assert {s.provenance["format"] for s in spectra} == {"qe-lambda"}
    assert spectra[0].provenance["dropped_points"] == 1
    for spectrum in spectra:
        reported = spectrum.provenance["reported"]
        assert spectrum.lambda_ep == pytest.approx(reported["lambda_integral"], abs=1e-4)
        # lambda.x prints lambda of the q-point sum, which elph_dir and lambda.in give again.
        assert reported["lambda_q_sum"] == pytest.approx(reported["lambda_ep"], abs=1e-4)
        assert spectrum.omega_log_k == pytest.approx(reported["omega_log_k"], abs=0.05)
        assert codes(spectrum) == {"negative-weight"}


def test_lambda_out_serves_where_lambda_dat_is_missing(tmp_path):
    for name in ("alpha2F.dat", "lambda.out"):
        (tmp_path / name).write_bytes((AL / name).read_bytes())
    reported = read_spectra(tmp_path / "alpha2F.dat")[3].provenance["reported"]
    assert reported["lambda_ep"] == 0.389295
    assert reported["lambda_integral"] == 0.389525


def test_neighbours_of_another_run_are_left_aside(tmp_path):
    (tmp_path / "alpha2F.dat").write_bytes((AL / "alpha2F.dat").read_bytes())
    (tmp_path / "lambda.dat").write_text("# degauss lambda int alpha2F <log w> N(Ef)\n 0.1 5 5 100 3\n")
    spectrum = read_spectra(tmp_path / "alpha2F.dat")[0]
    assert spectrum.provenance["reported"] == {}
    assert "left aside" in spectrum.provenance["note"]


def test_matdyn_reads_the_total_and_checks_its_own_lambda():
    (spectrum,) = read_spectra(OWN / "qe_al_dense/a2F.dos1")
    assert spectrum.provenance["format"] == "qe-matdyn"
    assert spectrum.label == "degauss 0.005 Ry"
    assert spectrum.omega_mev[0] == pytest.approx(0.753070e-05 * MEV_PER_RYDBERG)
    assert spectrum.lambda_ep == pytest.approx(spectrum.provenance["reported"]["lambda_ep"], abs=1e-5)


def test_matdyn_on_a_coarse_grid_flags_its_negative_weight():
    (spectrum,) = read_spectra(OWN / "qe_al_example03/a2F.dos1")
    assert codes(spectrum) == {"negative-weight", "omega-order"}


@pytest.mark.parametrize("modes", [3, 6, 9, 33])
@pytest.mark.parametrize("wrap", [5, 6, 1000])
def test_matdyn_records_may_wrap(tmp_path, modes, wrap):
    omega, total = bump(2e-3, 40)
    lines = ["", " # Eliashberg function a2F (per both spin)", " #  frequencies in Rydberg  "]
    lines += [" # DOS normalized to E in Rydberg: a2F_total, a2F(mode) ", ""]
    for w, t in zip(omega, total, strict=True):
        numbers = [f"{x:16.6E}" for x in (w, t, *[t / modes] * modes)]
        lines += ["".join(numbers[i : i + wrap]) for i in range(0, len(numbers), wrap)]
    lines.append("  lambda =  0.5    Delta =  1e-5")
    path = tmp_path / "a2F.dos7"
    path.write_text("\n".join(lines))
    (spectrum,) = read_spectra(path)
    assert spectrum.provenance["modes"] == modes
    np.testing.assert_allclose(spectrum.alpha2f, total, rtol=1e-6)
    np.testing.assert_allclose(spectrum.omega_mev, omega * MEV_PER_RYDBERG, rtol=1e-6)


def test_truncated_matdyn_record_is_refused(tmp_path):
    text = (OWN / "qe_al_dense/a2F.dos4").read_text().splitlines()
    path = tmp_path / "a2F.dos4"
    path.write_text("\n".join([*text[:60], text[60][:40]]))
    with pytest.raises(SpectrumError, match=r"record|frequencies increase"):
        read_spectra(path)


def test_matdyn_without_its_last_line_is_flagged(tmp_path):
    text = (OWN / "qe_al_dense/a2F.dos4").read_text().splitlines()
    path = tmp_path / "a2F.dos4"
    path.write_text("\n".join(text[:100]))
    (spectrum,) = read_spectra(path)
    assert {"truncated", "cut-at-end"} <= codes(spectrum)


@pytest.mark.parametrize("name", ["alpha2F.dat", "a2F.dos1", ""])
def test_the_broken_run_is_refused_with_its_diagnosis(name):
    with pytest.raises(SpectrumError) as caught:
        read_spectra(OWN / "qe_al_broken" / name)
    message = str(caught.value)
    for part in (
        "NaN",
        "q = (0.5, -0.5, 0.5) for every broadening (elph.inp_lambda.3)",
        "acoustic linewidths at Gamma reach 40592 GHz",
        "87.1 at q = (-0.25, 0.25, -0.25), mode 1, degauss 0.005 Ry (elph.inp_lambda.2)",
        "degenerate modes",
        "negative, -4.6 GHz",
        "matrix elements",
        "ph.x",
        "trans=.true.",
    ):
        assert part in message


def test_columns_with_nan_are_refused_alone(tmp_path):
    lines = (AL / "alpha2F.dat").read_text().splitlines()
    spoiled = lines[50].split()
    spoiled[2] = "NaN"
    spoiled[4] = "********"
    lines[50] = " ".join(spoiled)
    path = tmp_path / "alpha2F.dat"
    path.write_text("\n".join(lines))
    spectra = read_spectra(path)
    assert len(spectra) == 8
    assert "degauss 0.01 Ry" not in [s.label for s in spectra]
    assert set(spectra[0].provenance["refused_columns"]) == {"degauss 0.01 Ry", "degauss 0.02 Ry"}
    assert all("refused-columns" in codes(s) for s in spectra)


def test_lambda_x_with_missing_columns_is_refused(tmp_path):
    lines = (AL / "alpha2F.dat").read_text().splitlines()
    path = tmp_path / "alpha2F.dat"
    path.write_text("\n".join([lines[0], *(line[:60] for line in lines[1:])]))
    with pytest.raises(SpectrumError, match="names 10 broadenings"):
        read_spectra(path)


def test_a_line_cut_short_is_refused_with_its_number(tmp_path):
    text = (AL / "alpha2F.dat").read_text()
    path = tmp_path / "alpha2F.dat"
    path.write_text(text[: len(text) // 2 - 3])
    with pytest.raises(SpectrumError, match=r"line 10\d.*truncated"):
        read_spectra(path)


# EPW


def test_epw_gives_every_phonon_smearing():
    spectra = read_spectra(MGB2 / "MgB2.a2f")
    assert len(spectra) == 10
    assert spectra[0].label == "phonon smearing 0.5 meV"
    assert spectra[0].provenance["lambda_q_sum"] == 0.8392542
    for spectrum in spectra:
        assert spectrum.lambda_ep == pytest.approx(spectrum.provenance["reported"]["lambda_ep"], abs=2e-7)
        assert codes(spectrum) == set()
    assert spectra[0].lambda_ep == pytest.approx(0.83929, abs=5e-6)
    assert spectra[0].omega_log_k == pytest.approx(762.55, abs=5e-3)
    assert spectra[0].omega_2_k == pytest.approx(878.4, abs=5e-2)


@pytest.mark.parametrize("name", ["MgB2.a2f_iso", "MgB2.a2f_proj"])
def test_epw_isotropic_file_is_the_first_smearing(name):
    (spectrum,) = read_spectra(OWN / "epw_mgb2" / name)
    first = read_spectra(MGB2 / "MgB2.a2f")[0]
    np.testing.assert_array_equal(spectrum.alpha2f, first.alpha2f)
    assert spectrum.provenance["format"] == "epw-a2f-iso"


def test_epw_file_without_footer_is_flagged(tmp_path):
    path = tmp_path / "x.a2f"
    path.write_text("\n".join((MGB2 / "MgB2.a2f").read_text().splitlines()[:300]))
    spectra = read_spectra(path)
    assert spectra[0].label == "smearing 1"
    assert "truncated" in codes(spectra[0])


# Elk


def write_elk(path: Path, omega_ha, alpha2f) -> Path:
    def field(x: float) -> str:
        # Fortran's G18.10: zero has four blanks in place of its exponent.
        if x == 0.0:
            return "   0.000000000    "
        exponent = int(np.floor(np.log10(abs(x)))) + 1
        return f"{x / 10.0**exponent:14.10f}E{exponent:+03d}"

    path.write_text("".join(f"{field(w)}{field(a)}\n" for w, a in zip(omega_ha, alpha2f, strict=True)))
    return path


def test_elk_starts_below_zero_and_brings_its_reported_moments(tmp_path):
    omega = np.linspace(-1e-4, 1.8e-3, 200)
    alpha2f = np.where(omega > 1e-4, 0.4 * np.sin(np.pi * omega / 1.8e-3) ** 2, 0.0)
    path = write_elk(tmp_path / "ALPHA2F.OUT", omega, alpha2f)
    (tmp_path / "MCMILLAN.OUT").write_text(
        " \nElectron-phonon coupling constant, lambda :   9.0\n \nRMS average frequency :   0.1E-02\n"
    )
    (spectrum,) = read_spectra(path)
    assert spectrum.provenance["format"] == "elk"
    assert spectrum.provenance["dropped_points"] == int((omega <= 0).sum())
    assert spectrum.max_omega_mev == pytest.approx(1.8e-3 * MEV_PER_HARTREE)
    assert spectrum.provenance["reported"]["lambda_ep"] == 9.0
    assert spectrum.provenance["reported"]["omega_2_k"] == pytest.approx(315.775, abs=1e-2)
    assert codes(spectrum) == {"lambda-mismatch"}


def test_weight_below_zero_is_flagged_as_imaginary_modes(tmp_path):
    omega = np.linspace(-4e-4, 1.8e-3, 221)
    alpha2f = np.where(np.abs(omega) > 1e-5, 0.4 * np.cos(np.pi * omega / 3.6e-3) ** 2, 0.0)
    (spectrum,) = read_spectra(write_elk(tmp_path / "ALPHA2F.OUT", omega, alpha2f))
    assert "imaginary-modes" in codes(spectrum)


# ABINIT


def write_abinit(path: Path, *, spins: int = 1, modes: int = 3, suffix: str = "_qcoarse") -> tuple:
    import netCDF4

    omega, total = bump(2e-3, 80)
    with netCDF4.Dataset(str(path), "w") as data:
        data.createDimension("nomega", omega.size)
        data.createDimension("natom3p1", modes + 1)
        data.createDimension("number_of_spins", spins)
        data.createVariable(f"a2f_mesh{suffix}", "f8", ("nomega",))[:] = omega
        values = data.createVariable(f"a2f_values{suffix}", "f8", ("number_of_spins", "natom3p1", "nomega"))
        running = data.createVariable(f"a2f_lambdaw{suffix}", "f8", ("number_of_spins", "natom3p1", "nomega"))
        for spin in range(spins):
            values[spin, 0] = total / spins
            running[spin, 0] = np.linspace(0.0, 2.0 / spins, omega.size)
            for mode in range(modes):
                values[spin, mode + 1] = total / modes / spins
                running[spin, mode + 1] = 0.0
    return omega, total


@pytest.mark.parametrize("spins", [1, 2])
def test_abinit_sums_modes_and_spins(tmp_path, spins):
    omega, total = write_abinit(tmp_path / "out_A2F.nc", spins=spins)
    (spectrum,) = read_spectra(tmp_path / "out_A2F.nc")
    assert spectrum.provenance["format"] == "abinit"
    assert spectrum.label == "ab initio q mesh"
    np.testing.assert_allclose(spectrum.omega_mev, omega * MEV_PER_HARTREE)
    np.testing.assert_allclose(spectrum.alpha2f, total)
    assert spectrum.provenance["reported"]["lambda_ep"] == pytest.approx(2.0)


def test_abinit_with_two_samplings_gives_both(tmp_path):
    import netCDF4

    path = tmp_path / "out_A2F.nc"
    write_abinit(path)
    with netCDF4.Dataset(str(path), "a") as data:
        data.createDimension("nomega_fine", 120)
        data.createVariable("a2f_mesh_qintp", "f8", ("nomega_fine",))[:] = np.linspace(1e-5, 2.2e-3, 120)
        data.createVariable("a2f_values_qintp", "f8", ("nomega_fine",))[:] = bump(1.0, 120)[1]
    assert [s.label for s in read_spectra(path)] == ["ab initio q mesh", "interpolated q mesh"]
    assert find_spectra(tmp_path) == [path]


def test_other_netcdf_is_refused(tmp_path):
    import netCDF4

    path = tmp_path / "x.nc"
    with netCDF4.Dataset(str(path), "w") as data:
        data.createDimension("n", 3)
        data.createVariable("eigenvalues", "f8", ("n",))[:] = 1.0
    with pytest.raises(SpectrumError, match="no a2f_mesh"):
        read_spectra(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SpectrumError, match="netCDF"):
        read_spectra(path)


# Spreadsheets and plain tables


def test_gitgreg_spreadsheet(tmp_path):
    omega, alpha2f = bump(30.0)
    header = '"freqs, THz","a2f (lambda), THz","a2f (gamma), THz",lambda (lambda),lambda (gamma),'
    header += '"wlog (lambda), K"'
    rows = [f"{w:.8f},{a:.8f},{a / 2:.8f},1.25,0.6,700.0" for w, a in zip(omega, alpha2f, strict=True)]
    path = tmp_path / "a2f.csv"
    path.write_text("\n".join([header, *rows]))
    first, second = read_spectra(path)
    assert (first.label, second.label) == ("a2f (lambda)", "a2f (gamma)")
    assert first.provenance["reported"] == {"lambda_ep": 1.25, "omega_log_k": 700.0}
    assert first.max_omega_mev == pytest.approx(30.0 * MEV_PER_THZ)
    assert second.lambda_ep == pytest.approx(first.lambda_ep / 2, rel=1e-6)


def test_full_precision_table_with_footer(tmp_path):
    omega, alpha2f = bump(8.0)
    path = write_table(
        tmp_path / "Nb.a2F", omega, alpha2f, 2 * alpha2f, header=" # E (THz)   0.5000E-002   1.0000E-002"
    )
    path.write_text(path.read_text() + " lambda  0.3  0.6\n")
    spectra = read_spectra(path)
    assert [s.provenance["smearing"] for s in spectra] == [0.005, 0.01]
    assert spectra[0].provenance["format"] == "isome"


def test_plain_table_needs_its_unit_from_the_caller(tmp_path):
    omega, alpha2f = bump(2e-2)
    path = write_table(tmp_path / "a2f", omega, alpha2f)
    with pytest.raises(SpectrumError, match="unit") as caught:
        read_spectra(path)
    assert "--unit" in str(caught.value)
    (spectrum,) = read_spectra(path, unit="Ry")
    assert spectrum.max_omega_mev == pytest.approx(2e-2 * MEV_PER_RYDBERG)
    assert spectrum.provenance["unit_stated_by"] == "caller"


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("# omega (meV)  alpha2F", "meV"),
        ("# E[THz] a2F", "THz"),
        ("! frequency [cm^-1], Eliashberg function", "cm-1"),
        ("omega_meV,a2f", "meV"),
        ("# unit: eV", "eV"),
        ("# frequencies in Hartree, a2F", "Ha"),
        ("% ω (cm⁻¹)  α²F", "cm-1"),
    ],
)
def test_plain_table_says_its_unit_in_the_header(tmp_path, header, unit):
    omega, alpha2f = bump(1.0)
    (spectrum,) = read_spectra(write_table(tmp_path / "t.dat", omega, alpha2f, header=header))
    assert spectrum.provenance["unit"] == unit


@pytest.mark.parametrize(
    "header",
    [
        "# DOS (states/meV)",
        "# temperature in K",
        "# a2F",
        "# E(a.u.)",
        "# w a2F at T = 4 K",
        "# w, omega_log_k",
    ],
)
def test_words_that_are_no_unit_are_not_taken_for_one(header):
    assert units_in_header(header) == set()


def test_a_unit_that_contradicts_the_file_is_refused(tmp_path):
    with pytest.raises(SpectrumError, match="THz, the caller says meV"):
        read_spectra(AL / "alpha2F.dat", unit="meV")
    path = write_table(tmp_path / "t", *bump(), header="# w (THz) a2F")
    with pytest.raises(SpectrumError, match="header says THz"):
        read_spectra(path, unit="Ry")


def test_two_units_in_a_header_are_not_guessed_between(tmp_path):
    path = write_table(tmp_path / "t", *bump(20.0), header="# w (meV)  a2F  lambda  w_log (K)")
    with pytest.raises(SpectrumError, match="several units"):
        read_spectra(path)
    assert read_spectra(path, unit="mev")[0].max_omega_mev == 20.0


def test_other_tables_are_not_taken_for_spectra(tmp_path):
    path = write_table(tmp_path / "phonon.dos", *bump(), header="# Energy (meV)  DOS")
    with pytest.raises(SpectrumError, match="does not speak of alpha2F"):
        read_spectra(path)
    three = write_table(tmp_path / "three", *bump(), bump()[1], header="# w (meV) a2F")
    with pytest.raises(SpectrumError, match="3 columns"):
        read_spectra(three)


def test_unknown_unit():
    with pytest.raises(SpectrumError, match="'parsec' is not an energy unit"):
        read_spectra(AL / "alpha2F.dat", unit="parsec")
    assert parse_unit(" Hartree ") == "Ha"


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        (AL / "lambda.dat", "alpha2F.dat"),
        (AL / "lambda.out", "alpha2F.dat"),
        (AL / "elph_dir/elph.inp_lambda.2", "alpha2F.dat"),
        (OWN / "qe_al_dense/lambda", "a2F.dosN"),
        (OWN / "epw_mgb2/MgB2.phdos", "prefix.a2f"),
        (OWN / "epw_mgb2/MgB2.imag_iso_033.00", "prefix.a2f"),
    ],
)
def test_neighbouring_files_are_named_for_what_they_are(path, instead):
    with pytest.raises(SpectrumError, match="not a spectrum") as caught:
        read_spectra(path)
    assert instead in str(caught.value.hint)


# Negative weight


def test_the_caller_chooses_what_becomes_of_negative_weight():
    kept = read_spectra(AL / "alpha2F.dat")[3]
    clipped = read_spectra(AL / "alpha2F.dat", negative="clip")[3]
    assert clipped.alpha2f.min() == 0.0
    assert clipped.lambda_ep == pytest.approx(kept.lambda_ep + 0.01667, abs=1e-5)
    assert codes(clipped) == {"negative-clipped"}
    with pytest.raises(SpectrumError, match="would move lambda from"):
        read_spectra(AL / "alpha2F.dat", negative="refuse")
    with pytest.raises(InputError, match="negative weight"):
        read_spectra(AL / "alpha2F.dat", negative="ignore")  # type: ignore[arg-type]  # the point of the test


def test_rounding_noise_is_not_negative_weight(tmp_path):
    omega, alpha2f = bump(20.0)
    alpha2f[0] = -1e-9
    path = write_table(tmp_path / "t", omega, alpha2f, header="# w (meV) a2F")
    (spectrum,) = read_spectra(path, negative="refuse")
    assert codes(spectrum) == set()


# Folders


def test_a_folder_gives_the_spectra_in_it(tmp_path):
    assert find_spectra(AL) == [AL / "alpha2F.dat"]
    assert len(read_spectra(AL)) == 10
    names = [p.name for p in find_spectra(OWN / "qe_al_dense")]
    assert names == ["a2F.dos1", "a2F.dos4"]
    write_table(tmp_path / "unnamed.txt", *bump())
    with pytest.raises(SpectrumError, match="no file in this folder"):
        find_spectra(tmp_path)
    named = write_table(tmp_path / "named.txt", *bump(20.0), header="# w (meV) a2F")
    assert find_spectra(tmp_path) == [named]


# What people also give


def test_empty_file(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(SpectrumError, match="is empty"):
        read_spectra(path)


@pytest.mark.parametrize(
    "junk", [bytes(range(256)) * 40, b"\x7fELF" + os.urandom(4000), b"\x01\x02\x03" * 100]
)
def test_binary_junk(tmp_path, junk):
    path = tmp_path / "junk"
    path.write_bytes(junk)
    with pytest.raises(SpectrumError, match="binary"):
        read_spectra(path)


def test_compressed_file(tmp_path):
    path = tmp_path / "alpha2F.dat.gz"
    path.write_bytes(b"\x1f\x8b\x08" + b"x" * 100)
    with pytest.raises(SpectrumError, match="gzip-compressed"):
        read_spectra(path)


@pytest.mark.parametrize("text", ["hello world\n", "\n\n\n", "{}", "# E(THz) 0.005\n", "1.0\n2.0\n"])
def test_text_without_a_table(tmp_path, text):
    path = tmp_path / "t"
    path.write_text(text)
    with pytest.raises(SpectrumError):
        read_spectra(path, unit="meV")


def test_a_file_beyond_the_size_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "big"
    with path.open("wb") as stream:
        stream.truncate(200_000_000)
    assert path.stat().st_size > MAX_FILE_BYTES
    with pytest.raises(SpectrumError, match="200 MB"):
        read_spectra(path)


def test_no_such_file_no_permission_no_regular_file(tmp_path, monkeypatch):
    with pytest.raises(SpectrumError, match="no such file"):
        read_spectra(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpectrumError, match="regular file"):
        read_spectra(tmp_path / "pipe")
    path = write_table(tmp_path / "t", *bump())

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SpectrumError, match="no permission"):
        read_spectra(path)


def test_a_million_points(tmp_path):
    omega, alpha2f = bump(50.0, 1_000_000)
    path = tmp_path / "fine.dat"
    lines = [f"{w:.6f} {a:.4f}" for w, a in zip(omega.tolist(), alpha2f.tolist(), strict=True)]
    path.write_text("# w (meV) a2F\n" + "\n".join(lines))
    (spectrum,) = read_spectra(path)
    assert spectrum.omega_mev.size == 1_000_000


def test_fortran_numbers(tmp_path):
    path = tmp_path / "t"
    path.write_text("# w (meV) a2F\n 1.0D+00 0.1\n 2.0D+00 1.5-143\n 0.3D+01 .2E+00\n 4.0 0\n")
    (spectrum,) = read_spectra(path)
    np.testing.assert_array_equal(spectrum.omega_mev, [1.0, 2.0, 3.0, 4.0])
    assert spectrum.alpha2f[1] == 1.5e-143


def test_windows_line_ends_and_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"omega (meV),a2f\r\n1,0.1\r\n2,0.2\r\n3,0\r\n")
    assert read_spectra(path)[0].omega_mev.tolist() == [1.0, 2.0, 3.0]


def test_frequencies_out_of_order(tmp_path):
    path = write_table(tmp_path / "t", [1.0, 3.0, 2.0], [0.1, 0.1, 0.1], header="# w (meV) a2F")
    with pytest.raises(SpectrumError, match="must increase") as caught:
        read_spectra(path)
    assert caught.value.where == str(path)


def test_format_names_are_unique():
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names)


# Files of other groups, kept with the laboratory's data


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "unit", "lambda_ep", "omega_log", "omega_2"),
    [
        ("elk_Al/ALPHA2F.OUT", None, ".4237", "337.54", "366.64"),
        ("elk_Nb/ALPHA2F.OUT", None, "1.1506", "223.85", "238.96"),
        ("elk_Pb/ALPHA2F.OUT", None, "1.3004", "62.30", "69.99"),
        ("elk_MgB2/ALPHA2F.OUT", None, ".7517", "703.60", "771.46"),
        ("miicck_la/a2f", "Ry", "3.3063", "879.27", "1260.2"),
        ("gitgreg_CaH6_130GPa/a2f_s3_r1000_g5.csv", None, "3.936", "745.6", "999.5"),
        ("gitgreg_Nb3Sn/a2f_s1,5_r1000_g5.csv", None, "1.613", "143.7", "174.8"),
    ],
)
def test_published_files_to_the_last_digit(data_folder, name, unit, lambda_ep, omega_log, omega_2):
    spectrum = read_spectra(data_folder / "spectra/peers" / name, unit=unit)[0]
    for value, text in (
        (spectrum.lambda_ep, lambda_ep),
        (spectrum.omega_log_k, omega_log),
        (spectrum.omega_2_k, omega_2),
    ):
        digits = len(text.partition(".")[2])
        assert value == pytest.approx(float(text), abs=0.5001 * 10.0**-digits)


@pytest.mark.data
@pytest.mark.parametrize("unit", ["ry", "Ha"])
def test_unit_of_the_whole_table_is_the_callers_word(data_folder, unit):
    folder = data_folder / "spectra/peers/miicck_la"
    file = folder / ("a2f" if unit == "ry" else "elk/ALPHA2F.OUT")
    assert read_spectra(file, unit=unit)[0].omega_log_k == pytest.approx(879.27, abs=0.01)


@pytest.mark.parametrize("path", ["x" * 5000, "nul\0byte"])
def test_paths_no_file_can_have(path):
    with pytest.raises(SpectrumError, match="cannot be read"):
        read_spectra(path)


def test_a_spectrum_that_does_not_fit_its_own_linewidths_is_flagged(tmp_path):
    for name in ("alpha2F.dat", "lambda.in"):
        (tmp_path / name).write_bytes((AL / name).read_bytes())
    (tmp_path / "elph_dir").mkdir()
    for source in (AL / "elph_dir").iterdir():
        text = source.read_text().replace("lambda(    3)=  0.", "lambda(    3)=  1.")
        (tmp_path / "elph_dir" / source.name).write_text(text)
    assert "lambda-mismatch" in codes(read_spectra(tmp_path / "alpha2F.dat")[3])

"""Constant expressions, worked out within bounds: what would take for ever is known without doing it."""

import ast
from collections.abc import Mapping

LARGEST_BITS = 4_096
LARGEST_LENGTH = 10_000_000


class TooLarge(Exception):
    """The value would have thousands of digits or millions of elements."""


def fold(node: ast.AST, known: Mapping[str, float | None]) -> float | None:
    """The number that an expression of constants gives, or None; `known` are names of constants. Raises TooLarge."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return known.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = fold(operand, known)
            return None if value is None else -value
        case ast.Call(func=ast.Name(id="int"), args=[argument]):
            value = fold(argument, known)
            return int(value) if value is not None and abs(value) < 1e300 else None
        case ast.Call(func=ast.Name(id="pow"), args=[left, right]):
            return _operate(ast.Pow(), fold(left, known), fold(right, known))
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=str() | bytes() as text), right=times):
            return _repeat(len(text), fold(times, known))
        case ast.BinOp(op=ast.Mult(), right=ast.Constant(value=str() | bytes() as text), left=times):
            return _repeat(len(text), fold(times, known))
        case ast.BinOp(op=ast.Mult(), left=ast.List() | ast.Tuple() as literal, right=times):
            return _repeat(len(literal.elts), fold(times, known))
        case ast.BinOp(op=op, left=left, right=right):
            return _operate(op, fold(left, known), fold(right, known))
    return None


def _operate(op: ast.operator, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        bits = {ast.Pow: right * (abs(left).bit_length() - 1), ast.LShift: right}.get(type(op), 0)
        if bits > LARGEST_BITS:
            raise TooLarge
        if isinstance(op, ast.LShift):
            return left << right
    try:
        match op:
            case ast.Pow():
                value = left**right
                return None if isinstance(value, complex) else value
            case ast.Mult():
                return left * right
            case ast.Add() | ast.Sub():
                return left + right if isinstance(op, ast.Add) else left - right
    except ArithmeticError:
        pass
    return None


def _repeat(length: int, times: float | None) -> float | None:
    if length * (times or 0) > LARGEST_LENGTH:
        raise TooLarge
    return None

// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Consents} from "../../src/house/Consents.sol";
import {TradeRequest} from "../../src/interfaces/Requests.sol";
import {HouseTest} from "../base/HouseTest.sol";

/// @title A consent says who will know the positions
contract WithholdingAttackTest is HouseTest {
    uint256 private constant CUSTODIAN_KEY = 0xC057;
    uint256 private constant OTHER_KEY = 0xC058;

    function _withheldBy(TradeRequest memory request, uint256 key) private view {
        delete request.a.opening;
        request.a.opening.custodian = vm.addr(key);
        request.a.opening.custodianSignature = _signature(
            key,
            _digest(
                abi.encode(
                    keccak256("CustodyReceipt(uint256 accountId,uint256 accountNonce,uint256 commitment)"),
                    a,
                    house.getAccount(a).nonce + 1,
                    request.a.newCommitment
                )
            )
        );
    }

    function _refuse(TradeRequest memory request) private {
        vm.expectRevert(abi.encodeWithSelector(Consents.InvalidConsent.selector, a));
        house.trade(request, _proofs());
    }

    function test_theSenderCannotPublishWhatIsToBeWithheld() public {
        house.setCustodian(vm.addr(CUSTODIAN_KEY), true);
        TradeRequest memory request = _tradeRequest(0);
        _withheldBy(request, CUSTODIAN_KEY);
        _sign(request);
        request.a.opening = _side(a).opening;
        _refuse(request);
    }

    function test_theSenderCannotWithholdWhatIsToBePublished() public {
        house.setCustodian(vm.addr(CUSTODIAN_KEY), true);
        TradeRequest memory request = _tradeRequest(0);
        _sign(request);
        _withheldBy(request, CUSTODIAN_KEY);
        _refuse(request);
    }

    function test_theSenderCannotChooseAnotherCustodian() public {
        house.setCustodian(vm.addr(CUSTODIAN_KEY), true);
        house.setCustodian(vm.addr(OTHER_KEY), true);
        TradeRequest memory request = _tradeRequest(0);
        _withheldBy(request, CUSTODIAN_KEY);
        _sign(request);
        _withheldBy(request, OTHER_KEY);
        _refuse(request);
        _withheldBy(request, CUSTODIAN_KEY);
        house.trade(request, _proofs());
    }
}
